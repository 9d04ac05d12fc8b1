package postgres

import (
	"context"
	"fmt"

	"cdcbridge/internal/fault"
)

// StartOver implements capture.Scanner. A slot that can be streamed from is left as it is: without a checkpoint a source begins
// where that stands.
func (s *source) StartOver(ctx context.Context) error {
	c, err := connect(ctx, s.cfg, session{pipeline: s.env.Pipeline})
	if err != nil {
		return err
	}
	defer c.close()
	facts, err := readFacts(ctx, c, session{pipeline: s.env.Pipeline})
	if err != nil {
		return err
	}
	slot, err := readSlot(ctx, c, s.cfg.Slot)
	if err != nil || slot == nil {
		return err
	}
	why := ""
	if slot.lost != "" || slot.twoPhase {
		if why = slot.lost; why == "" {
			why = "two_phase is set"
		}
		slot.lost, slot.twoPhase = "", false
	}
	// What is not ours, or in use, is not for us to drop.
	if err := slot.problem(facts.database, 0); err != nil {
		return err
	}
	published, err := readPublication(ctx, c, s.cfg.Publication)
	if err != nil {
		return err
	}
	if published == nil && why == "" {
		why = "its publication was dropped"
	}
	switch {
	case why == "":
		return nil
	case s.cfg.Create == createNone:
		return fault.NewFinal(fault.SlotLost, opSlot, fmt.Errorf("the slot %s cannot be used (%s), and create is %q", slot.name, why, s.cfg.Create),
			"Run SELECT pg_drop_replication_slot("+quote(slot.name)+"); and, after the publication was made, "+createSlotSQL(s.cfg)+".")
	}
	if _, err := c.query(ctx, "SELECT pg_drop_replication_slot("+quote(slot.name)+")"); err != nil && state(err) != undefinedObject {
		return err
	}
	s.env.Log.Warn("dropped the replication slot, to begin anew", "slot", slot.name, "because", why)
	return nil
}
