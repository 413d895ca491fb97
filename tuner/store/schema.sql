-- SPDX-License-Identifier: Apache-2.0
--
-- Schema 1 of trials.db: the queue and the record of sweeps.
--
-- The program builds this text in and runs it in one transaction on an empty
-- file; PRAGMA application_id is 'XLTN', PRAGMA user_version the schema. A
-- later schema is a further file of ALTER and CREATE statements that runs
-- after this one (forward only); this file is never edited once released.
--
-- Times are milliseconds since 1970, durations nanoseconds, speeds tokens a
-- second. NULL means unknown, never zero. Names of states stand in state.def.

-- Machines that measure alike. A trial belongs to one class: its numbers hold
-- for no other.
CREATE TABLE node_class (
  id          INTEGER PRIMARY KEY,
  hash        TEXT    NOT NULL UNIQUE, -- of the fingerprint; '' = unsaid
  fingerprint TEXT    NOT NULL,        -- CPU features, caches, cores, memory
  created_ms  INTEGER NOT NULL
) STRICT;

-- One search: what was searched, how, for which model and build.
CREATE TABLE sweep (
  id          INTEGER PRIMARY KEY,
  class_id    INTEGER NOT NULL REFERENCES node_class (id), -- began it
  name        TEXT    NOT NULL UNIQUE, -- that of the run folder
  space       TEXT    NOT NULL,        -- JSON
  sampler     TEXT    NOT NULL,        -- strategy, seed, settings
  objective   TEXT    NOT NULL,        -- what result.value means
  minimise    INTEGER NOT NULL CHECK (minimise IN (0, 1)),
  build_id    TEXT    NOT NULL,
  model_hash  TEXT    NOT NULL,
  created_ms  INTEGER NOT NULL
) STRICT;

-- A process that claims trials. Host, boot, process namespace, pid and start
-- together name it for ever, so that another one can tell that it is dead.
CREATE TABLE worker (
  id          INTEGER PRIMARY KEY,
  class_id    INTEGER NOT NULL REFERENCES node_class (id),
  host        TEXT    NOT NULL,
  boot_id     TEXT    NOT NULL,
  pid_ns      TEXT    NOT NULL,
  pid         INTEGER NOT NULL,
  start_ticks INTEGER NOT NULL, -- of the process, since boot
  started_ms  INTEGER NOT NULL
) STRICT;

-- One configuration to measure. Short and often changed columns come first.
CREATE TABLE trial (
  id             INTEGER PRIMARY KEY,
  sweep_id       INTEGER NOT NULL REFERENCES sweep (id),
  class_id       INTEGER NOT NULL REFERENCES node_class (id),
  seq            INTEGER NOT NULL,            -- order of proposal, from 1
  state          TEXT    NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'ok', 'pruned',
                                  'failed', 'timeout', 'oom', 'wrong',
                                  'invalid', 'abandoned')),
  prio           INTEGER NOT NULL DEFAULT 0,  -- larger first
  attempt        INTEGER NOT NULL DEFAULT 0,  -- claims that count
  max_attempt    INTEGER NOT NULL DEFAULT 3,
  token          INTEGER NOT NULL DEFAULT 0,  -- of the last claim; only the
                                              -- holder of it may write
  not_before_ms  INTEGER NOT NULL DEFAULT 0,
  worker_id      INTEGER REFERENCES worker (id), -- who holds it
  lease_until_ms INTEGER,
  claimed_ms     INTEGER,
  created_ms     INTEGER NOT NULL,
  ended_ms       INTEGER,
  generation     INTEGER,
  cfg_hash       TEXT    NOT NULL,
  cfg            TEXT    NOT NULL -- canonical parameters, JSON object
                 CHECK (cfg LIKE '{%}'),
  inert          TEXT,             -- tunables not read, 'a,b'
  origin         TEXT,             -- why it was proposed
  parents        TEXT,             -- trial ids, JSON array
  reason         TEXT,             -- why it failed
  CHECK ((state = 'running') = (lease_until_ms IS NOT NULL)),
  CHECK ((state = 'running') = (worker_id IS NOT NULL)),
  UNIQUE (sweep_id, class_id, cfg_hash), -- proposed once
  UNIQUE (sweep_id, seq)                 -- readers go by this
) STRICT;

-- The claim takes the first entry of a state and class; counts by state and
-- the search for lost leases read it too.
CREATE INDEX trial_queue ON trial (sweep_id, state, class_id, prio DESC, seq);

-- One ended claim. A result that came after its lease was lost is kept in
-- `late` and counts for nothing.
CREATE TABLE attempt (
  trial_id   INTEGER NOT NULL REFERENCES trial (id),
  token      INTEGER NOT NULL,
  n          INTEGER NOT NULL, -- trial.attempt at that time
  worker_id  INTEGER NOT NULL REFERENCES worker (id),
  started_ms INTEGER NOT NULL,
  ended_ms   INTEGER NOT NULL,
  outcome    TEXT    NOT NULL
             CHECK (outcome IN ('ok', 'pruned', 'failed', 'timeout', 'oom',
                                'wrong', 'invalid', 'abandoned',
                                'released', 'expired', 'dead')),
  log        TEXT,
  late       TEXT,
  PRIMARY KEY (trial_id, token)
) STRICT, WITHOUT ROWID;

-- One measured repetition, stored the moment it is known.
CREATE TABLE sample (
  trial_id      INTEGER NOT NULL REFERENCES trial (id),
  rep           INTEGER NOT NULL CHECK (rep >= 0),
  token         INTEGER NOT NULL, -- of the claim that measured it
  at_ms         INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  new_tokens    INTEGER NOT NULL,
  prefill_ns    INTEGER,
  decode_ns     INTEGER,
  prefill_tok_s REAL,
  decode_tok_s  REAL,
  peak_rss      INTEGER,          -- bytes
  foreign_cpu   REAL,             -- share of the machine others used
  ctx_switches  INTEGER,          -- involuntary
  is_disturbed  INTEGER NOT NULL CHECK (is_disturbed IN (0, 1)),
  detail        TEXT,             -- further readings, JSON object
  PRIMARY KEY (trial_id, rep)
) STRICT, WITHOUT ROWID;

-- What the repetitions of a measured trial come to: medians with intervals.
CREATE TABLE result (
  trial_id         INTEGER PRIMARY KEY REFERENCES trial (id),
  sweep_id         INTEGER NOT NULL REFERENCES sweep (id),
  token            INTEGER NOT NULL,
  n                INTEGER NOT NULL, -- repetitions behind the medians
  is_pruned        INTEGER NOT NULL CHECK (is_pruned IN (0, 1)),
  value            REAL,             -- the objective
  prefill_tok_s    REAL, prefill_tok_s_lo REAL, prefill_tok_s_hi REAL,
  decode_tok_s     REAL, decode_tok_s_lo  REAL, decode_tok_s_hi  REAL,
  prefill_s        REAL, prefill_s_lo     REAL, prefill_s_hi     REAL,
  decode_s         REAL, decode_s_lo      REAL, decode_s_hi      REAL,
  effective        TEXT,             -- tunables as really used, JSON object
  detail           TEXT              -- JSON object
) STRICT;

-- Best trials are its head; the Pareto front is one pass over it without a
-- look at the table.
CREATE INDEX result_rank
  ON result (sweep_id, value, decode_tok_s, prefill_tok_s)
  WHERE is_pruned = 0;

-- What the judge found. The score 'verdict' is the gate: value 1 passed,
-- 0 did not and cannot be best.
CREATE TABLE score (
  trial_id INTEGER NOT NULL REFERENCES trial (id),
  name     TEXT    NOT NULL,
  value    REAL,
  detail   TEXT,
  at_ms    INTEGER NOT NULL,
  PRIMARY KEY (trial_id, name)
) STRICT, WITHOUT ROWID;

-- Facts about host, build, model, prompt and run.
CREATE TABLE fact (
  sweep_id INTEGER NOT NULL REFERENCES sweep (id),
  scope    TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  value    TEXT    NOT NULL,
  PRIMARY KEY (sweep_id, scope, key)
) STRICT, WITHOUT ROWID;

-- What happened, in order.
CREATE TABLE event (
  id       INTEGER PRIMARY KEY,
  sweep_id INTEGER NOT NULL REFERENCES sweep (id),
  trial_id INTEGER REFERENCES trial (id),
  at_ms    INTEGER NOT NULL,
  kind     TEXT    NOT NULL,
  text     TEXT    NOT NULL
) STRICT;

-- Views are for people with any SQLite tool; docs/store.md shows them at
-- work. Tunables are read by name, so they outlive a changed space.

-- Measured trials, best first.
CREATE VIEW ranking AS
  SELECT s.name AS sweep, t.seq, t.id AS trial, r.value, r.n,
         r.prefill_tok_s, r.decode_tok_s, g.detail AS verdict, t.cfg
    FROM result r
    JOIN trial t ON t.id = r.trial_id
    JOIN sweep s ON s.id = t.sweep_id
    LEFT JOIN score g ON g.trial_id = t.id AND g.name = 'verdict'
   WHERE r.is_pruned = 0
   ORDER BY s.id, CASE s.minimise WHEN 1 THEN r.value ELSE -r.value END;

-- Every trial in order of proposal, whatever became of it.
CREATE VIEW trials AS
  SELECT s.name AS sweep, t.seq, t.id AS trial, t.state, t.reason, t.origin,
         t.cfg ->> 'backend' AS backend, t.cfg ->> 'workers' AS workers,
         t.cfg ->> 'heads_per_band' AS heads_per_band,
         t.cfg ->> 'chunk_size' AS chunk_size,
         t.cfg ->> 'weight_dtype' AS weight_dtype,
         r.n, r.value, r.prefill_tok_s, r.decode_tok_s, r.prefill_s,
         r.decode_s, g.detail AS verdict,
         datetime(t.ended_ms / 1000, 'unixepoch') AS ended_utc, t.cfg
    FROM trial t
    JOIN sweep s ON s.id = t.sweep_id
    LEFT JOIN result r ON r.trial_id = t.id
    LEFT JOIN score g ON g.trial_id = t.id AND g.name = 'verdict'
   ORDER BY t.sweep_id, t.seq;

-- One row a tunable of a trial.
CREATE VIEW tunables AS
  SELECT t.id AS trial, t.seq, p.key AS name, p.value,
         instr(',' || coalesce(t.inert, '') || ',', ',' || p.key || ',') > 0
           AS is_inert
    FROM trial t, json_each(t.cfg) p;

-- One row a measured repetition, in seconds and megabytes.
CREATE VIEW repetitions AS
  SELECT t.seq, x.trial_id AS trial, x.rep, x.prompt_tokens, x.new_tokens,
         x.prefill_ns / 1e9 AS prefill_s, x.decode_ns / 1e9 AS decode_s,
         x.prefill_tok_s, x.decode_tok_s, x.peak_rss / 1e6 AS peak_rss_mb,
         x.foreign_cpu, x.is_disturbed,
         datetime(x.at_ms / 1000, 'unixepoch') AS at_utc
    FROM sample x
    JOIN trial t ON t.id = x.trial_id
   ORDER BY t.seq, x.rep;

-- What went wrong, with how often each reason occurred.
CREATE VIEW failures AS
  SELECT s.name AS sweep, t.state, t.reason, count(*) AS n,
         min(t.seq) AS first_seq
    FROM trial t
    JOIN sweep s ON s.id = t.sweep_id
   WHERE t.state NOT IN ('queued', 'running', 'ok', 'pruned')
   GROUP BY s.name, t.state, t.reason
   ORDER BY n DESC;

-- What the judge found, one row a score of a trial.
CREATE VIEW scores AS
  SELECT t.seq, c.trial_id AS trial, c.name, c.value, c.detail
    FROM score c
    JOIN trial t ON t.id = c.trial_id
   ORDER BY t.seq, c.name;
