package kafka

import (
	"context"

	"cdcbridge/capture"
)

// checker looks at the topics before anything runs.
type checker struct {
	cfg *Config
	env capture.Env
}

func newChecker(cfg *Config, env capture.Env) *checker { return &checker{cfg: cfg, env: env} }

// Check implements capture.Checker.
func (c *checker) Check(ctx context.Context) ([]capture.Finding, error) { return nil, nil }
