package upsertsink

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// checkCase is a topic, and what the preflight says of it.
type checkCase struct {
	name     string
	settings []kw.Setting // with which it exists; nil: it does not
	replicas int16        // 0: the broker's default
	output   upsert.Output
	subject  string
	severity capture.Severity
	code     fault.Code
}

// use gives the topic a name of the pipeline's and creates it if it is to exist.
func (c *checkCase) use(t *testing.T, p *pipeline) upsert.TopicUse {
	t.Helper()
	u := upsert.TopicUse{Topic: p.name + "." + strings.ReplaceAll(c.name, " ", "-"), Output: &c.output}
	if c.settings == nil {
		return u
	}
	client := kw.NewClient(p.wire)
	defer client.Close()
	topic := kw.NewTopic{Name: u.Topic, Partitions: 2, Replication: c.replicas, Configs: c.settings}
	if topic.Replication == 0 {
		topic.Replication = -1
	}
	made, err := client.CreateTopics(t.Context(), []kw.NewTopic{topic}, 10*time.Second, false)
	if err != nil || made[0].Code != kw.OK {
		t.Fatalf("creating %s: %v %+v", u.Topic, err, made)
	}
	for known := false; !known; time.Sleep(10 * time.Millisecond) { // the controller knows it before the brokers do
		m, err := client.Metadata(t.Context(), u.Topic)
		if err != nil {
			t.Fatal(err)
		}
		known = m.Topics[0].Code == kw.OK
	}
	return u
}

// mustSay looks for the case's finding.
func (c *checkCase) mustSay(t *testing.T, findings []capture.Finding, topic string) {
	t.Helper()
	var about []capture.Finding
	for _, f := range findings {
		if f.Area != "topic "+topic && f.Subject != "topic "+topic {
			continue
		}
		if about = append(about, f); f.Subject != c.subject && c.subject != "" {
			continue
		}
		if f.Severity == c.severity && f.Code == string(c.code) && (f.Severity == capture.OK || f.Remedy != "") {
			return
		}
	}
	t.Errorf("%s: there is no %s %q about %s in %+v", c.name, c.severity, c.code, c.subject, about)
}

// check looks at some topics as a daemon of this pipeline would.
func (p *pipeline) checkUses(t *testing.T, uses ...upsert.TopicUse) []capture.Finding {
	t.Helper()
	sink := p.newSink("check")
	defer sink.Close(context.Background())
	findings, err := sink.Check(t.Context(), uses)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func (p *pipeline) checkCases(t *testing.T, cases []checkCase) {
	t.Helper()
	var uses []upsert.TopicUse
	for i := range cases {
		uses = append(uses, cases[i].use(t, p))
	}
	findings := p.checkUses(t, uses...)
	for i := range cases {
		cases[i].mustSay(t, findings, uses[i].Topic)
	}
}

func set(pairs ...string) []kw.Setting {
	list := []kw.Setting{}
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, kw.Setting{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// testCheckTopics makes each mistake in a topic of its own.
func (e *env) testCheckTopics(t *testing.T) {
	p := e.pipeline(t)
	create := upsert.TopicSettings{Create: true}
	rows, log := upsert.Output{Mode: upsert.Upsert, Settings: create}, upsert.Output{Mode: upsert.Changelog, Settings: create}
	with := func(o upsert.Output, s upsert.TopicSettings) upsert.Output {
		s.Create = true
		o.Settings = s
		return o
	}
	compact := func(more ...string) []kw.Setting { return set(append(more, "cleanup.policy", "compact")...) }
	dead := *upsert.DeadLetterUse("", []upsert.Output{rows}).Output
	quiet := rows
	quiet.NoTombstones = true
	p.checkCases(t, []checkCase{
		{name: "good", settings: compact(), output: rows, subject: "cleanup.policy", severity: capture.OK},
		{name: "deletes", settings: set("cleanup.policy", "delete"), output: rows, subject: "cleanup.policy", severity: capture.Problem, code: fault.TopicNotCompacted},
		{name: "both", settings: set("cleanup.policy", "compact,delete"), output: rows, subject: "cleanup.policy", severity: capture.Problem, code: fault.TopicNotCompacted},
		{name: "log", settings: set("cleanup.policy", "delete"), output: log, subject: "cleanup.policy", severity: capture.OK},
		{name: "compacted log", settings: compact(), output: log, subject: "cleanup.policy", severity: capture.Warning},
		{name: "compacted letters", settings: compact(), output: dead, subject: "cleanup.policy", severity: capture.Problem, code: fault.TopicSettings},
		{name: "unwritable", settings: compact("min.insync.replicas", "2"), output: rows, subject: "min.insync.replicas", severity: capture.Problem, code: fault.TopicSettings},
		{name: "too young", settings: compact("message.timestamp.before.max.ms", "59999"), output: rows, subject: "message.timestamp.before.max.ms", severity: capture.Problem, code: fault.TopicSettings},
		{name: "unclean", settings: compact("unclean.leader.election.enable", "true"), output: rows, subject: "unclean.leader.election.enable", severity: capture.Warning},
		{name: "forgetful", settings: compact("delete.retention.ms", "60000"), output: rows, subject: "delete.retention.ms", severity: capture.Warning},
		{name: "no tombstones", settings: compact("delete.retention.ms", "60000"), output: quiet, subject: "cleanup.policy", severity: capture.OK},
		{name: "narrow", settings: compact("max.message.bytes", "5000"), output: rows, subject: "max.message.bytes", severity: capture.Warning},
		{name: "short segments", settings: compact("max.message.bytes", "3000000", "segment.bytes", "2000000"), output: rows, subject: "segment.bytes", severity: capture.Warning},

		{name: "missing", output: upsert.Output{Mode: upsert.Upsert}, severity: capture.Problem, code: fault.TopicMissing},
		{name: "planned", output: rows, severity: capture.OK},
		{name: "planned log", output: log, severity: capture.OK},
		{name: "planned with delete", output: with(rows, upsert.TopicSettings{Config: map[string]string{"cleanup.policy": "delete"}}), subject: "cleanup.policy", severity: capture.Problem, code: fault.TopicNotCompacted},
		{name: "planned unwritable", output: with(rows, upsert.TopicSettings{Config: map[string]string{"min.insync.replicas": "3"}}), subject: "min.insync.replicas", severity: capture.Problem, code: fault.TopicSettings},
		{name: "planned unclean", output: with(rows, upsert.TopicSettings{Config: map[string]string{"unclean.leader.election.enable": "true"}}), subject: "unclean.leader.election.enable", severity: capture.Warning},
		{name: "planned narrow", output: with(rows, upsert.TopicSettings{Config: map[string]string{"max.message.bytes": "5000"}}), subject: "max.message.bytes", severity: capture.Warning},
		{name: "planned nonsense", output: with(rows, upsert.TopicSettings{Config: map[string]string{"cleanup.policy": "perhaps"}}), severity: capture.Problem, code: fault.Config},
		{name: "planned too wide", output: with(rows, upsert.TopicSettings{Replication: 3}), severity: capture.Problem, code: fault.Config},
	})
	client := kw.NewClient(p.wire)
	defer client.Close()
	if m, err := client.Metadata(t.Context(), p.name+".planned", p.cfg.StateTopic); err != nil || m.Topics[0].Code != kw.UnknownTopicOrPartition || m.Topics[1].Code != kw.UnknownTopicOrPartition {
		t.Errorf("the preflight has created a topic: %+v, %v", m, err)
	}
}

// mustFind is the finding about a subject.
func mustFind(t *testing.T, findings []capture.Finding, subject string) capture.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Subject == subject {
			return f
		}
	}
	t.Fatalf("nothing about %s in %+v", subject, findings)
	return capture.Finding{}
}

// testCheckProducer looks at a transactional id that nobody, its pipeline, or somebody else uses.
func (e *env) testCheckProducer(t *testing.T) {
	p := e.pipeline(t)
	look := func(q *pipeline, severity capture.Severity, words string) { // a coordinator needs a moment to end a transaction
		t.Helper()
		var f capture.Finding
		for patience := time.Now().Add(20 * time.Second); time.Now().Before(patience); time.Sleep(20 * time.Millisecond) {
			f = mustFind(t, q.checkAll(t), "producer")
			if f.Severity == severity && strings.Contains(f.Detail, words) && (severity == capture.OK || f.Code == string(fault.Fenced) && f.Remedy != "") {
				return
			}
		}
		t.Errorf("%+v, want a %s about %q", f, severity, words)
	}
	look(p, capture.OK, "nobody uses")
	r := p.mustOpen(t, "one")
	look(p, capture.Warning, "instance one has committed")
	r.mustWrite(t, 5)
	look(p, capture.Warning, "instance one is in a transaction, since ")
	r.mustCommit(t)
	look(p, capture.Warning, "instance one has committed")
	other := *p
	other.cfg.StateTopic, other.output.Adopt = p.name+".other", true
	look(&other, capture.Warning, "a program that has no checkpoint in "+other.cfg.StateTopic)
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustHold(t, 10)
}

// testCheckCheckpoint takes topics away that the checkpoint knows, and offers some that it does not know.
func (e *env) testCheckCheckpoint(t *testing.T) {
	p, r := e.filled(t)
	r.close()
	findings := p.checkAll(t)
	if f := mustFind(t, findings, "checkpoint"); f.Severity != capture.OK || !strings.Contains(f.Detail, "by instance a") {
		t.Errorf("%+v", f)
	}
	renamed := *p.named(p.name + "-renamed")
	say := checkCase{severity: capture.Problem, code: fault.StateMissing, subject: "topic " + p.topic}
	say.mustSay(t, renamed.checkAll(t), p.topic)
	renamed.output.Adopt = true
	if i := slices.IndexFunc(renamed.checkAll(t), func(f capture.Finding) bool { return f.Severity == capture.Problem }); i >= 0 {
		t.Errorf("a topic that is adopted: %+v", renamed.checkAll(t)[i])
	}
	adm := e.admin(t)
	if _, err := adm.CreatePartitions(t.Context(), 1, p.topic); err != nil {
		t.Fatal(err)
	}
	p.awaitProblem(t, fault.PartitionsChanged)
	if _, err := adm.DeleteTopics(t.Context(), p.topic); err != nil {
		t.Fatal(err)
	}
	p.awaitProblem(t, fault.TopicMissing)
	policy := "compact"
	for {
		if _, err := adm.CreateTopic(t.Context(), 3, 1, map[string]*string{"cleanup.policy": &policy}, p.topic); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.awaitProblem(t, fault.TopicReplaced)
}

// awaitProblem looks again and again, since brokers learn of changes a moment later, until the only problem has that code.
func (p *pipeline) awaitProblem(t *testing.T, code fault.Code) {
	t.Helper()
	var problems []capture.Finding
	for patience := time.Now().Add(20 * time.Second); time.Now().Before(patience); time.Sleep(50 * time.Millisecond) {
		problems = slices.DeleteFunc(p.checkAll(t), func(f capture.Finding) bool { return f.Severity != capture.Problem })
		if len(problems) == 1 && problems[0].Code == string(code) && problems[0].Remedy != "" {
			return
		}
	}
	t.Fatalf("problems %+v, want %s alone", problems, code)
}

// testCheckDurability looks at replicas, with all brokers and with one less.
func (e *env) testCheckDurability(t *testing.T) {
	p := e.pipeline(t)
	create := upsert.TopicSettings{Create: true}
	rows := upsert.Output{Mode: upsert.Upsert, Settings: create}
	single := rows
	single.Settings.Replication = 1
	compact := func(least string) []kw.Setting { return set("cleanup.policy", "compact", "min.insync.replicas", least) }
	cases := []checkCase{
		{name: "good", settings: compact("2"), output: rows, subject: "replication", severity: capture.OK},
		{name: "planned", output: rows, subject: "replication", severity: capture.OK},
		{name: "planned on one", output: single, subject: "min.insync.replicas", severity: capture.Problem, code: fault.TopicSettings},
		{name: "one disk", settings: compact("1"), replicas: 1, output: rows, subject: "replication factor", severity: capture.Warning},
		{name: "one acknowledgement", settings: compact("1"), output: rows, subject: "min.insync.replicas", severity: capture.Warning},
		{name: "all or nothing", settings: compact("3"), output: rows, subject: "min.insync.replicas", severity: capture.Warning},
	}
	p.checkCases(t, cases)
	findings := p.checkUses(t)
	state := checkCase{subject: "replication", severity: capture.OK}
	state.mustSay(t, findings, p.cfg.StateTopic)
	if f := mustFind(t, findings, "brokers"); f.Severity != capture.OK || f.Detail != "3 reachable" {
		t.Errorf("%+v", f)
	}

	if err := e.kafka.StopBroker(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	degraded := map[string]capture.Severity{"good": capture.Warning, "one-acknowledgement": capture.Warning, "all-or-nothing": capture.Problem}
	for name, severity := range degraded {
		use := upsert.TopicUse{Topic: p.name + "." + name, Output: &rows}
		var f capture.Finding
		for patience := time.Now().Add(20 * time.Second); f.Severity != severity && time.Now().Before(patience); time.Sleep(50 * time.Millisecond) {
			all := p.checkUses(t, use)
			if i := slices.IndexFunc(all, func(f capture.Finding) bool { return f.Subject == "replicas in sync" }); i >= 0 {
				f = all[i]
			}
		}
		if f.Severity != severity || f.Remedy == "" || severity == capture.Problem && f.Code != string(fault.Kafka) {
			t.Errorf("%s with a broker less: %+v, want a %s", name, f, severity)
		}
	}
	if err := e.kafka.StartBroker(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := e.kafka.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// checkOlderCluster looks at three brokers of the oldest release, whose coordinators keep their decisions on one of them.
func checkOlderCluster(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Version: "39", Brokers: 3, Extra: map[string]string{
		"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
	}})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.Classic}
	if f := mustFind(t, e.pipeline(t).checkUses(t), "topic __transaction_state"); f.Severity != capture.Warning || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
	e.testCheckDurability(t)
}
