package upsertsink

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/capture"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// TestPermissions grants a user one right after the other. Until the last one, the sink and its preflight say which is missing.
func TestPermissions(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Security: &servers.KafkaSecurity{Users: map[string]string{"alice": "secret"}, Authorizer: true}})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	p := e.pipeline(t)
	p.wire = e.alice()

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
	unseen := checkCase{name: "settings of a topic that is to be created", subject: "topic " + p.cfg.StateTopic, severity: capture.Problem, code: fault.Permission}
	unseen.mustSay(t, p.checkAll(t), p.cfg.StateTopic)
	denied("DescribeConfigs")
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationDescribeConfigs)
	e.grant(t, kmsg.ACLResourceTypeTopic, p.cfg.StateTopic, kmsg.ACLOperationRead)
	denied("transactional id")
	e.grant(t, kmsg.ACLResourceTypeTransactionalId, "cdcbridge-", kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
	_, err := p.open(t.Context(), "a")
	wantFault(t, err, fault.Permission, true)
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationWrite)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustHold(t, 5)
	denied("describing the producers of " + p.topic) // which it has created
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationRead)
	r = p.mustOpen(t, "a")
	r.mustWrite(t, 2)
	r.mustCommit(t)
	p.mustHold(t, 7)
	for _, f := range p.checkAll(t) {
		if f.Severity == capture.Problem {
			t.Errorf("with all rights: %+v", f)
		}
	}
	p.commitGroupWithRights(t)
	e.endLostWithRights(t)
}

// commitGroupWithRights commits offsets too, which needs the right to read the group and what it reads. That of looking into the
// offsets of all groups is not needed, and is used when it is there.
func (p *pipeline) commitGroupWithRights(t *testing.T) {
	t.Helper()
	p.source(t)
	p.group = "group-of-" + p.name
	refused := func(word string) {
		t.Helper()
		r := p.mustOpen(t, "a")
		err := r.commit(t.Context())
		r.close()
		wantFault(t, err, fault.Permission, true)
		if !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), p.group) {
			t.Errorf("%v does not speak of %q", err, word)
		}
	}
	refused("GROUP_AUTHORIZATION_FAILED")
	p.grant(t, kmsg.ACLResourceTypeGroup, p.group, kmsg.ACLOperationRead)
	refused("TOPIC_AUTHORIZATION_FAILED")
	p.grant(t, kmsg.ACLResourceTypeTopic, sourceTopic, kmsg.ACLOperationRead)
	for _, ops := range [][]kmsg.ACLOperation{nil, {kmsg.ACLOperationDescribe}, {kmsg.ACLOperationRead}} {
		p.grant(t, kmsg.ACLResourceTypeTopic, offsetsTopic, ops...)
		for range 2 {
			r := p.mustOpen(t, "a")
			r.mustWrite(t, 3)
			r.mustCommit(t)
			r.mustWrite(t, 3)
			r.mustCommit(t)
			p.mustBeAt(t, r.next)
			r.close()
		}
	}
	if pinned := p.pinned(t); !slices.Contains(pinned, offsetsTopic) {
		t.Errorf("with the right to look there, %s is not watched: %q", offsetsTopic, pinned)
	}
}

// pinned are the topics that the pipeline's checkpoint knows.
func (p *pipeline) pinned(t *testing.T) []string {
	t.Helper()
	records, err := harness.ReadTopic(t.Context(), p.brokers, p.cfg.StateTopic)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records {
		var key struct{ Pipeline, Kind, Name string }
		if err := json.Unmarshal(r.Key, &key); err != nil {
			t.Fatal(err)
		}
		if key.Pipeline == p.name && key.Kind == "pin" {
			names = append(names, key.Name)
		}
	}
	return names
}

// endLostWithRights needs a right that the daemon needs at no other time. Without it the pipeline stays down, and nothing is
// touched.
func (e *env) endLostWithRights(t *testing.T) {
	t.Helper()
	p := e.pipeline(t)
	at := p.leave(t, false)
	e.mark(t, p, at, true, isLow)
	e.plant(t, p, at, completeCommit)
	e.restart(t)
	p.wire = e.alice()
	e.grant(t, kmsg.ACLResourceTypeTopic, p.name, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationRead, kmsg.ACLOperationWrite)
	for range 2 {
		_, err := p.open(t.Context(), "a")
		wantFault(t, err, fault.Permission, true)
		if !strings.Contains(fault.As(err).Hint, "Alter on the cluster") {
			t.Errorf("%v does not name the right", err)
		}
	}
	e.grant(t, kmsg.ACLResourceTypeCluster, "", kmsg.ACLOperationAlter)
	p.mustGoOn(t, 14)
}

// alice is the user of the tests of rights.
func (e *env) alice() kw.Config {
	return kw.Config{Brokers: e.kafka.Listener(servers.SASL), SASL: kw.SASL{Mechanism: kw.SASLScramSHA512, User: "alice", Password: "secret"}}
}

// grant gives alice rights, and returns when the broker knows them.
func (e *env) grant(t *testing.T, kind kmsg.ACLResourceType, prefix string, ops ...kmsg.ACLOperation) {
	t.Helper()
	if len(ops) == 0 {
		return
	}
	adm := e.admin(t)
	b := kadm.NewACLs().ResourcePatternType(kmsg.ACLResourcePatternTypePrefixed).Allow("User:alice").AllowHosts("*").Operations(ops...)
	switch kind {
	case kmsg.ACLResourceTypeTopic:
		b = b.Topics(prefix)
	case kmsg.ACLResourceTypeCluster:
		b = b.ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral).Clusters()
	case kmsg.ACLResourceTypeGroup:
		b = b.Groups(prefix)
	default:
		b = b.TransactionalIDs(prefix)
	}
	results, err := adm.CreateACLs(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for known := 0; known < len(ops); time.Sleep(20 * time.Millisecond) {
		described, err := adm.DescribeACLs(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		known = 0
		for _, d := range described {
			known += len(d.Described)
		}
	}
}
