package config

import (
	"errors"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// registry holds a source and two formats whose sections have keys of every kind.
var registry = Registry{
	Sources: []capture.Kind{{Name: "mysql", Config: func() capture.Config { return &fakeSource{Port: 3306, Heartbeat: 5 * time.Second} }}},
	Formats: []formats.Kind{
		{Name: "debezium-json", Config: func() formats.Config { return &fakeFormat{Decimal: "precise"} }},
		{Name: "canal-json", Config: func() formats.Config { return &fakeFormat{} }},
	},
	Version: "v9",
}

type fakeSource struct {
	Host      string        `mapstructure:"host"`
	Port      uint16        `mapstructure:"port"`
	User      string        `mapstructure:"user"`
	Password  string        `mapstructure:"password"`
	Tables    []string      `mapstructure:"tables"`
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	MaxRow    int64         `mapstructure:"max_row"`
	TLS       fakeTLS       `mapstructure:"tls"`
}

type fakeTLS struct {
	CAFile string  `mapstructure:"ca_file"`
	Strict bool    `mapstructure:"strict"`
	Ratio  float64 `mapstructure:"ratio"`
}

func (f *fakeSource) Validate() []error {
	var errs []error
	if f.Host == "" {
		errs = append(errs, errors.New("host: is required"))
	}
	if len(f.Tables) == 0 {
		errs = append(errs, errors.New("tables: is required"))
	}
	return errs
}

func (f *fakeSource) New(capture.Env) capture.Source      { return nil }
func (f *fakeSource) Checker(capture.Env) capture.Checker { return nil }

type fakeFormat struct {
	Decimal string `mapstructure:"decimal"`
	env     formats.Env
}

func (f *fakeFormat) Preset(name string) bool {
	if name != "flink" {
		return false
	}
	f.Decimal = "string"
	return true
}

func (f *fakeFormat) Validate() []error {
	if f.Decimal == "wrong" {
		return []error{errors.New("decimal: must be precise or string")}
	}
	return nil
}

func (f *fakeFormat) Format(env formats.Env) formats.Format {
	f.env = env
	return fakeEncoding{}
}

func (f *fakeFormat) Decoder() formats.Decoder { return nil }

type fakeEncoding struct{}

func (fakeEncoding) Compile(*changelog.Table, formats.Options) (formats.Encoder, error) {
	return nil, errors.New("not for encoding")
}
