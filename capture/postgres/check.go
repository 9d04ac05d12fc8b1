package postgres

import (
	"context"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// checker is the preflight of a server.
type checker struct {
	cfg *Config
	env capture.Env
}

// Check implements capture.Checker.
func (k *checker) Check(ctx context.Context) ([]capture.Finding, error) {
	c, err := connect(ctx, k.cfg, session{pipeline: k.env.Pipeline})
	if err != nil {
		return foundFault("connection", err)
	}
	defer c.close()
	return nil, nil
}

const area = "postgres"

// foundFault makes a finding of a fault and leaves other errors as they are.
func foundFault(subject string, err error) ([]capture.Finding, error) {
	f := fault.As(err)
	if f == nil {
		return nil, err
	}
	detail := f.Op
	if f.Err != nil {
		detail += ": " + f.Err.Error()
	}
	return []capture.Finding{{Area: area, Subject: subject, Detail: detail, Severity: capture.Problem, Remedy: f.Hint, Code: string(f.Code)}}, nil
}
