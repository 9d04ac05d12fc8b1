package config

import (
	"fmt"

	"cdcbridge/upsert"
)

// topics says how missing topics are created: the kafka.topics section.
type topics struct {
	Partitions  int            `mapstructure:"partitions"`  // 0: the broker's default
	Replication int            `mapstructure:"replication"` // 0: the broker's default
	Config      []topicSetting `mapstructure:"config"`      // a list, since keys lose their case
}

// topicSetting is one of Kafka's own topic settings.
type topicSetting struct {
	Name  string `mapstructure:"name"`
	Value string `mapstructure:"value"`
}

func (t *topics) validate() []error {
	var errs []error
	if t.Partitions < 0 {
		errs = append(errs, fmt.Errorf("partitions: must not be negative"))
	}
	if t.Replication < 0 || t.Replication > 1<<15-1 {
		errs = append(errs, fmt.Errorf("replication: is no number of replicas"))
	}
	seen := map[string]bool{}
	for i, s := range t.Config {
		switch {
		case s.Name == "":
			errs = append(errs, fmt.Errorf("config[%d].name: is required", i))
		case seen[s.Name]:
			errs = append(errs, fmt.Errorf("config[%d].name: %q is listed twice", i, s.Name))
		}
		seen[s.Name] = true
	}
	return errs
}

func (t *topics) settings(create bool) upsert.TopicSettings {
	s := upsert.TopicSettings{Partitions: t.Partitions, Replication: t.Replication, Create: create, Config: map[string]string{}}
	for _, c := range t.Config {
		s.Config[c.Name] = c.Value
	}
	return s
}
