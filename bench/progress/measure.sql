-- One run of the statement :id. Its cleaning comes first, too: a run before it may have failed.
\set ON_ERROR_STOP off
SET client_min_messages = warning;
SET synchronous_commit = off;
DROP TABLE IF EXISTS bench.written, bench.arrays;
DROP INDEX IF EXISTS written;
DROP MATERIALIZED VIEW IF EXISTS bench.parts_sold;
\set ON_ERROR_STOP on
SELECT bench.scaled(p) FROM bench.statement, unnest(prepare) WITH ORDINALITY p (p, place) WHERE id = :id ORDER BY place \gexec
CHECKPOINT;
CALL bench.measure(:id, :repetition, :interval);
UPDATE bench.run SET load = :load WHERE statement = :id AND repetition = :repetition;
SELECT bench.scaled(p) FROM bench.statement, unnest(clean) WITH ORDINALITY p (p, place) WHERE id = :id ORDER BY place \gexec
