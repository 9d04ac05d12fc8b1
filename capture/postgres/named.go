package postgres

// NamedAfter implements capture.NameGiver: the slot and the publication.
func (c *Config) NamedAfter(pipeline string) []string {
	r := c.resolved(pipeline)
	var settings []string
	if c.Slot == "" {
		settings = append(settings, "slot: "+r.Slot)
	}
	if c.Publication == "" {
		settings = append(settings, "publication: "+r.Publication)
	}
	return settings
}
