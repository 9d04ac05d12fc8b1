'use strict';
// Reads /status and /status/history of the daemon that serves it, and nothing else. Whatever comes from there is set as text.

const statusEvery = 2000, historyEvery = 10000, patience = 8000; // milliseconds
const span = 3600; // seconds that plots show
const cards = new Map(); // by name of pipeline
let startedAt = '', newest = 0, answeredAt = 0, laid = 0;

const part = (root, name) => root.querySelector(`[data-part="${name}"]`);
const copy = id => document.getElementById(id).content.firstElementChild.cloneNode(true);
const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
const show = (node, wanted) => { node.hidden = !wanted; };

// ---- numbers for people ----

const isKnown = n => typeof n === 'number';
const grouped = n => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, '\u202f');

function seconds(n) {
  if (!isKnown(n)) return '–';
  if (n === 0) return '0 s';
  if (n < 1) return `${Math.max(1, Math.round(n * 1000))} ms`;
  if (n < 10) return `${n.toFixed(1)} s`;
  if (n < 120) return `${Math.round(n)} s`;
  if (n < 7200) return `${Math.round(n / 60)} min`;
  if (n < 172800) return `${(n / 3600).toFixed(1)} h`;
  return `${Math.round(n / 86400)} days`;
}

function bytes(n) {
  if (!isKnown(n)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1).replace(/\.0$/, '')} ${units[i]}`;
}

const rate = n => isKnown(n) ? `${n > 0 && n < 10 ? n.toFixed(1) : grouped(n)}/s` : '–';
const clock = at => new Date(at * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const age = when => seconds(Math.max(0, (Date.now() - Date.parse(when)) / 1000));

// ---- plots ----

// Plot is one measure over the last hour. Pointer and arrow keys move a cursor that says the value at a time.
class Plot {
  constructor(title, key, format, least) {
    Object.assign(this, { title, key, format, least, at: [], values: [], end: 0, cursor: -1, node: copy('plot') });
    this.frame = part(this.node, 'frame');
    [this.area, this.line, this.mark] = this.node.querySelectorAll('path');
    text(part(this.node, 'title'), title);
    this.frame.setAttribute('aria-label', `${title}, last hour`);
    this.frame.addEventListener('pointermove', e => this.point(e));
    this.frame.addEventListener('pointerleave', () => this.move(-1));
    this.frame.addEventListener('keydown', e => this.press(e));
    this.frame.addEventListener('blur', () => this.move(-1));
  }

  point(e) {
    const box = this.frame.getBoundingClientRect();
    const at = this.end - span + span * (e.clientX - box.left) / box.width;
    let best = -1;
    this.at.forEach((t, i) => { if (best < 0 || Math.abs(t - at) < Math.abs(this.at[best] - at)) best = i; });
    this.move(best);
  }

  press(e) {
    const last = this.at.length - 1;
    const here = this.cursor < 0 ? last : this.cursor;
    const to = { ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, PageUp: here - 30, PageDown: here + 30, Home: 0, End: last, Escape: -1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.move(e.key === 'Escape' ? -1 : Math.min(last, Math.max(0, to)));
  }

  move(to) {
    this.cursor = to;
    this.tell();
  }

  draw(at, values, end) {
    if (this.cursor >= 0 && at.length > 0) { // the cursor stays at its time
      const was = this.at[this.cursor];
      this.cursor = at.findIndex(t => t >= was);
    }
    Object.assign(this, { at, values, end });
    const most = Math.max(this.least, ...values.filter(isKnown));
    const x = t => (600 * (t - end + span) / span).toFixed(1);
    const y = v => (98 - 80 * v / most).toFixed(1);
    let line = '', area = '', from = -1;
    at.forEach((t, i) => {
      if (!isKnown(values[i])) { from = -1; return; }
      if (from >= 0 && t - at[i - 1] > 60) from = -1;
      line += `${from < 0 ? 'M' : 'L'}${x(t)} ${y(values[i])}`;
      area += from < 0 ? `M${x(t)} 98L${x(t)} ${y(values[i])}` : `L${x(t)} ${y(values[i])}`;
      from = i;
      const ends = i + 1 === at.length || !isKnown(values[i + 1]) || at[i + 1] - t > 60;
      if (ends) { area += `L${x(t)} 98Z`; line += 'h0.1'; }
    });
    this.line.setAttribute('d', line);
    this.area.setAttribute('d', area);
    text(part(this.node, 'most'), this.format(most));
    text(part(this.node, 'from'), clock(end - span));
    text(part(this.node, 'to'), clock(end));
    this.frame.setAttribute('aria-valuemax', String(Math.max(0, at.length - 1)));
    this.tell();
  }

  tell() {
    const i = this.cursor < 0 ? this.at.length - 1 : this.cursor;
    const x = 600 * (this.at[i] - this.end + span) / span;
    this.mark.setAttribute('d', this.cursor < 0 ? '' : `M${x} 0V100`);
    const value = i < 0 ? 'first sample after 10 s' : this.format(this.values[i]);
    text(part(this.node, 'value'), this.cursor < 0 ? value : `${clock(this.at[i])}  ${value}`);
    this.frame.setAttribute('aria-valuenow', String(Math.max(0, i)));
    this.frame.setAttribute('aria-valuetext', i < 0 ? value : `${clock(this.at[i])}, ${value}`);
  }
}

// ---- pipelines ----

const states = { // what needs a person first
  failed: ['bad', '✗'], retrying: ['warn', '↻'], starting: ['warn', '…'], stopping: ['warn', '…'],
  paused: ['calm', '❚❚'], stopped: ['calm', '■'], running: ['good', '●'], completed: ['good', '✓'],
};

const kindOf = p => p.state === 'running' && !p.ready ? ['warn', '●'] : states[p.state] || ['calm', '?'];

class Card {
  constructor(name, id) {
    this.node = copy('card');
    this.node.id = id;
    this.link = document.createElement('a');
    this.link.href = `#${id}`;
    text(part(this.node, 'name'), name);
    this.limit = null; // forecast of retained log, seconds
    this.samples = [];
    this.plots = [
      new Plot('Lag', 'lag_seconds', seconds, 1), new Plot('Changes', 'changes_per_second', rate, 10),
      new Plot('Commit duration', 'commit_seconds', seconds, 0.01), new Plot('Retained log', 'retained_bytes', bytes, 1024),
    ];
    part(this.node, 'plots').append(...this.plots.map(p => p.node));
  }

  part(name) { return part(this.node, name); }

  // status takes over what /status says of the pipeline.
  status(p) {
    const [kind, sign] = kindOf(p);
    this.part('state').className = `state ${kind}`;
    text(this.part('state'), `${sign} ${p.state}${p.ready || p.state === 'failed' ? '' : ', not ready'}`);
    this.link.className = kind;
    text(this.link, `${sign} ${p.name}`);
    text(this.part('about'), `for ${age(p.since)}${p.server ? `, reads ${p.server}` : ''}${p.caught_up ? ', has read all that there is' : ''}`);
    text(this.part('lag'), seconds(p.lag_seconds));
    this.part('lag-box').className = p.lag_seconds > 60 ? 'warn' : '';
    text(this.part('flight'), p.memory_bytes ? `${Math.round(100 * p.in_flight_bytes / p.memory_bytes)} % of ${bytes(p.memory_bytes)}` : '–');
    text(this.part('changes'), grouped(p.counters.changes));
    text(this.part('restarts'), grouped(Object.values(p.restarts).reduce((sum, n) => sum + n, 0)));
    text(this.part('place'), p.position ? `committed: ${p.position}` : '');
    this.fault(p);
    this.snapshots(p.snapshots);
    this.known = p;
    this.retention();
    this.partitions(p.partitions);
  }

  fault(p) {
    show(this.part('fault'), p.code);
    if (!p.code) return;
    text(this.part('code'), p.code);
    text(this.part('error'), p.error || '');
    text(this.part('hint'), p.hint || 'See the page of the code.');
    text(this.part('doc'), `What ${p.code} means`);
    this.part('doc').href = p.doc;
    text(this.part('next'), p.next_attempt ? `Next attempt ${clock(Date.parse(p.next_attempt) / 1000)}.` : p.state === 'failed' ? 'It stays down until somebody acts. The topics are right as of the committed position.' : '');
  }

  snapshots(tables) {
    const open = tables.filter(t => t.status !== 'done' && t.status !== 'skipped');
    const done = tables.filter(t => t.status === 'done').length;
    show(this.part('snapshots'), tables.length > 0);
    this.part('tables').replaceChildren(...open.map(snapshotLine), ...(done ? [line('li', `${grouped(done)} done`)] : []));
  }

  // retention needs what both documents say.
  retention() {
    const p = this.known;
    show(this.part('retention'), p.retained_bytes > 0);
    if (!p.retained_bytes) return;
    const limit = p.retained_limit_bytes || 0;
    show(this.part('kept-bar'), limit > 0);
    this.part('kept-bar').value = limit ? p.retained_bytes / limit : 0;
    const forecast = isKnown(this.limit) ? ` At the rate of the last ten minutes the limit is reached in ${seconds(this.limit)}.` : '';
    text(this.part('kept'), `${bytes(p.retained_bytes)}${limit ? ` of ${bytes(limit)} at most.` : ', without a limit.'}${forecast}`);
    this.part('kept').className = limit && (p.retained_bytes > limit * 0.75 || isKnown(this.limit) && this.limit < 3600) ? 'warn' : '';
  }

  partitions(all) {
    show(this.part('partitions'), all.length > 0);
    if (all.length === 0) return;
    const lags = all.map(p => p.lag).filter(isKnown);
    text(this.part('partitions-title'), `${grouped(all.length)} partitions${lags.length ? `, ${grouped(lags.reduce((a, b) => a + b, 0))} records to read` : ''}`);
    if (!this.part('partitions').open && this.part('rows').childElementCount === all.length) return; // nobody looks
    this.part('rows').replaceChildren(...all.map(p => {
      const row = document.createElement('tr');
      const state = p.held ? 'held' : p.idle ? 'idle' : 'active';
      const cells = [`${p.topic}/${p.partition}`, grouped(p.offset), grouped(p.committed), isKnown(p.lag) ? grouped(p.lag) : '–', p.watermark ? `${age(p.watermark)} ago` : '–', state];
      row.append(...cells.map(value => line('td', value)));
      return row;
    }));
  }

  // history appends new samples and draws.
  history(h, end) {
    this.limit = h.retained_limit_seconds;
    h.at.forEach((at, i) => this.samples.push({ at, ...Object.fromEntries(this.plots.map(p => [p.key, h[p.key][i]])) }));
    this.samples = this.samples.filter(s => s.at > end - span);
    const at = this.samples.map(s => s.at);
    for (const p of this.plots) p.draw(at, this.samples.map(s => s[p.key]), end);
    show(this.plots[3].node, this.samples.some(s => isKnown(s.retained_bytes)));
    this.retention();
    const last = this.samples[this.samples.length - 1] || {};
    text(this.part('rate'), rate(last.changes_per_second));
    text(this.part('commit'), seconds(this.samples.map(s => s.commit_seconds).filter(isKnown).pop()));
  }
}

function line(tag, value) {
  const node = document.createElement(tag);
  node.textContent = value;
  return node;
}

function snapshotLine(t) {
  const item = line('li', ''), bar = document.createElement('progress'), about = line('span', '');
  item.append(line('span', t.table), bar, about);
  bar.max = 100;
  bar.setAttribute('aria-label', `Snapshot of ${t.table}`);
  if (isKnown(t.percent)) bar.value = t.percent; else if (t.status !== 'reading') bar.value = 0;
  const words = [t.status, `${grouped(t.rows)} rows`];
  if (isKnown(t.percent)) words.push(`${Math.floor(t.percent)} % of about ${grouped(t.estimate)}`);
  if (t.per_second >= 1) words.push(rate(t.per_second));
  if (isKnown(t.eta_seconds)) words.push(`${seconds(t.eta_seconds)} left`);
  if (t.waits) words.push(`waits: ${t.waits}`);
  about.className = 'quiet';
  about.textContent = words.join(', ');
  return item;
}

// ---- the configuration ----

// tellReload says what came of the file that was read again, as far as somebody has to do something. r is undefined before the first time.
function tellReload(r) {
  const node = id => document.getElementById(id);
  const refused = r?.result === 'refused', applying = r?.result === 'applying', needs = r?.needs_restart || [];
  show(node('reload'), refused || applying || needs.length > 0);
  node('reload').className = refused ? 'fault' : 'notice';
  show(node('reload-code'), refused);
  text(node('reload-code'), refused ? r.code : '');
  text(node('reload-said'), refused ? `The configuration that was read at ${clock(Date.parse(r.at) / 1000)} is refused; everything goes on as it was. ${r.error}` :
    applying ? 'The configuration is being read again; pipelines that differ drain first.' : '');
  show(node('reload-remedy'), refused);
  text(node('reload-hint'), refused ? r.hint || 'See the page of the code.' : '');
  text(node('reload-doc'), refused ? `What ${r.code} means` : '');
  if (refused) node('reload-doc').href = r.doc;
  show(node('reload-needs'), needs.length > 0);
  text(node('reload-needs'), needs.length ? `Takes effect only after a restart: ${needs.join(', ')}` : '');
}

// ---- the page ----

function lay(pipelines) {
  const names = pipelines.map(p => p.name);
  if ([...cards.keys()].join() !== names.join()) { // a reload has come between, or another process
    cards.clear();
    newest = 0; // all of the history again
    laid++;
    names.forEach((n, i) => cards.set(n, new Card(n, `pipeline-${i}`)));
    document.getElementById('pipelines').replaceChildren(...[...cards.values()].map(c => c.node));
    document.getElementById('names').replaceChildren(...[...cards.values()].map(c => c.link));
    show(document.getElementById('names'), names.length > 1);
  }
  for (const p of pipelines) cards.get(p.name).status(p);
}

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(patience), cache: 'no-store' });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

async function readStatus() {
  const s = await ask('status');
  if (s.started_at !== startedAt) { // another process: its history begins anew
    startedAt = s.started_at;
    cards.clear();
  }
  lay(s.pipelines);
  const count = {};
  for (const p of s.pipelines) count[p.state] = (count[p.state] || 0) + 1;
  const words = Object.keys(states).filter(state => count[state]).map(state => `${count[state]} ${state}`).join(', ');
  const applied = s.reload?.last_applied;
  text(document.getElementById('version'), `${s.version}, up ${age(s.started_at)}${applied ? `, reloaded ${age(applied)} ago` : ''}`);
  tellReload(s.reload);
  text(document.getElementById('summary'), `${s.ready ? 'Ready' : 'Not ready'}: ${words}`);
  document.title = `${count.failed ? '✗ ' : s.ready ? '' : '! '}${words} – cdcbridge`;
}

async function readHistory() {
  if (cards.size === 0) return;
  const asked = laid;
  const h = await ask(`status/history?since=${newest}`);
  if (asked !== laid) return; // of other pipelines
  newest = Math.max(newest, ...h.pipelines.flatMap(p => p.at));
  const end = newest || Date.now() / 1000;
  for (const p of h.pipelines) if (cards.has(p.name)) cards.get(p.name).history(p, end);
}

// every calls read again and again, one call after the other, while somebody looks at the page.
function every(interval, read) {
  let timer = 0, busy = false;
  const turn = async () => {
    if (busy) return;
    busy = true;
    clearTimeout(timer);
    try {
      if (!document.hidden) {
        await read();
        answeredAt = Date.now();
        tellSilence(null);
      }
    } catch (err) {
      tellSilence(err);
    }
    busy = false;
    timer = setTimeout(turn, interval);
  };
  document.addEventListener('visibilitychange', turn);
  return turn();
}

function tellSilence(err) {
  document.body.classList.toggle('stale', err !== null);
  show(document.getElementById('silent'), err !== null);
  if (err) text(document.getElementById('silent'), `The daemon does not answer (${err.message})${answeredAt ? `; what you see is of ${clock(answeredAt / 1000)}` : ''}.`);
}

every(statusEvery, readStatus).then(() => every(historyEvery, readHistory));
