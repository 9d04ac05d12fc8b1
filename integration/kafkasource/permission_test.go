package kafkasource

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestPermissions runs as a user who gets the rights of a reader one after the other. Until the last one the bridge says which is missing,
// and so does the preflight.
func TestPermissions(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	s.write(t, table.fill(0, 8)...)
	b := e.reads(t, debezium, "", s.topic)
	b.listen, b.kafka = servers.SASL, ", sasl: {mechanism: scram-sha-512, user: alice, password: secret}"
	for _, target := range []string{b.out(), "cdcbridge.state"} {
		e.grant(t, kadm.NewACLs().Topics(target), kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationCreate, kmsg.ACLOperationRead, kmsg.ACLOperationWrite)
	}
	e.grant(t, kadm.NewACLs().TransactionalIDs("cdcbridge-"+b.name), kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)

	denied := func(words ...string) {
		t.Helper()
		d := b.fails(t, "permission", words...)
		b.says(t, 3, []string{"validate"}, words...)
		d.Kill()
		b.got(t)
	}
	denied("cdcbridge-" + b.name)
	e.grant(t, kadm.NewACLs().Groups("cdcbridge-"+b.name), kmsg.ACLOperationRead)
	denied(s.topic)
	e.grant(t, kadm.NewACLs().Topics(s.topic), kmsg.ACLOperationDescribe)
	denied(s.topic)
	e.grant(t, kadm.NewACLs().Topics(s.topic), kmsg.ACLOperationRead)
	d := b.running(t)
	b.holds(t, table.table(), s)
	e.noLag(t, "cdcbridge-"+b.name, s.topic)
	harness.StopFor(t, d)
}

// grant gives alice rights on what the builder names exactly, and returns when the broker knows them.
func (e *env) grant(t *testing.T, what *kadm.ACLBuilder, ops ...kmsg.ACLOperation) {
	t.Helper()
	b := what.ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral).Allow("User:alice").AllowHosts("*").Operations(ops...)
	results, err := e.adm.CreateACLs(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	eventually(t, func() error {
		described, err := e.adm.DescribeACLs(t.Context(), b)
		if err != nil {
			return err
		}
		known := 0
		for _, d := range described {
			known += len(d.Described)
		}
		if known < len(ops) {
			return errors.New("the broker does not know the rights yet")
		}
		return nil
	})
}
