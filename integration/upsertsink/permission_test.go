package upsertsink

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// TestPermissions grants a user one right after the other. Until the last one, the sink and its preflight say which is missing.
func TestPermissions(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Security: &servers.KafkaSecurity{Users: map[string]string{"alice": "secret"}, Authorizer: true}})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	p := e.pipeline(t)
	p.wire = kw.Config{Brokers: k.Listener(servers.SASL), SASL: kw.SASL{Mechanism: kw.SASLScramSHA512, User: "alice", Password: "secret"}}

	denied := func(word string) {
		t.Helper()
		_, err := p.open(t.Context(), "a")
		wantFault(t, err, fault.Permission, true)
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not speak of %q", err, word)
		}
		problems := 0
		for _, f := range p.checkAll(t) {
			if f.Severity == capture.Problem && f.Code == string(fault.Permission) {
				problems++
			}
		}
		if problems == 0 {
			t.Errorf("the preflight finds nothing wrong with %s", word)
		}
	}
	denied(p.cfg.StateTopic)
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationDescribe)
	denied(p.cfg.StateTopic) // may not be created
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationCreate)
	denied("DescribeConfigs")
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationRead)
	denied("transactional id")
	e.grant(t, kmsg.ACLResourceTypeTransactionalId, "cdcbridge-", kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
	_, err := p.open(t.Context(), "a")
	wantFault(t, err, fault.Permission, true)
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationWrite)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustHold(t, 5)
	for _, f := range p.checkAll(t) {
		if f.Severity == capture.Problem {
			t.Errorf("with all rights: %+v", f)
		}
	}
}

func (e *env) grant(t *testing.T, kind kmsg.ACLResourceType, prefix string, ops ...kmsg.ACLOperation) {
	t.Helper()
	b := kadm.NewACLs().ResourcePatternType(kmsg.ACLResourcePatternTypePrefixed).Allow("User:alice").AllowHosts().Operations(ops...)
	if kind == kmsg.ACLResourceTypeTopic {
		b = b.Topics(prefix)
	} else {
		b = b.TransactionalIDs(prefix)
	}
	results, err := e.admin(t).CreateACLs(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	time.Sleep(500 * time.Millisecond) // brokers learn of it a moment later
}
