package kafka

// NamedAfter implements capture.NameGiver: the consumer group.
func (c *Config) NamedAfter(pipeline string) []string {
	if c.Group != "" {
		return nil
	}
	return []string{"group: " + c.group(pipeline)}
}
