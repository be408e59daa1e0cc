# Cancels at every moment of a job's life: what the job says became of it is what became of it, and nothing is left over.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $rounds = $ENV{PGBG_ROUNDS} || 3000;
# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('cancel', conf => "pg_background.spool_limit = 0\n");
my $session = session($node);
my $other = session($node);

sub state { return value($session, 'SELECT state FROM jobs WHERE pid = :pid AND cookie = :cookie') }
sub noted { return value($session, "SELECT count(*) FROM done WHERE note = '$_[0]'") }

# The worker of the last launch waits for that.
sub until_worker_waits_for { return until_waits_for($node, value($session, 'SELECT :pid'), @_) }

# --- races ---

value($session, <<'END');
CREATE TABLE outcomes (id int, state text);
CREATE PROCEDURE race(first int, last int, pause float8) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
  sql text;
BEGIN
  FOR i IN first..last LOOP
    sql := format('INSERT INTO done VALUES (%s, %L)', i, 'race');
    IF i % 3 = 0 THEN -- one that takes as long as the cancel takes to come
      sql := format('SELECT pg_sleep(%s); ', random() * pause) || sql;
    END IF;
    IF i % 4 = 0 THEN
      h := pg_background_submit_v2(sql);
    ELSE
      h := pg_background_launch_v2(sql);
    END IF;
    -- the stimulus: a cancel at any moment of the job's few milliseconds; or at once, a warm worker being quick
    IF i % 3 <> 1 THEN
      PERFORM pg_sleep(random() * pause);
    END IF;
    PERFORM pg_background_cancel_v2(h.pid, h.cookie);
    IF i % 10 = 0 THEN
      PERFORM pg_background_cancel_v2(h.pid, h.cookie);
    END IF;
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    INSERT INTO outcomes SELECT i, state FROM jobs WHERE pid = h.pid AND cookie = h.cookie;
    PERFORM pg_background_detach_v2(h.pid, h.cookie);
  END LOOP;
END $$;
CREATE PROCEDURE blind(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
BEGIN
  FOR i IN 1..rounds LOOP
    h := pg_background_launch_v2('SELECT 1');
    PERFORM pg_background_cancel_v2(h.pid, h.cookie);
    PERFORM pg_background_detach_v2(h.pid, h.cookie);
  END LOOP;
END $$;
CREATE FUNCTION memory() RETURNS int8 LANGUAGE sql AS 'SELECT sum(total_bytes)::int8 FROM pg_backend_memory_contexts';
END

# How long a job takes here: half of the cancels are to come too late.
my $from = time;
value($session, q{DO 'DECLARE h pg_background_handle; BEGIN FOR i IN 1..100 LOOP h := pg_background_launch_v2(''SELECT 1'');
  PERFORM pg_background_wait_v2(h.pid, h.cookie); PERFORM pg_background_detach_v2(h.pid, h.cookie); END LOOP; END'});
my $pause = (time - $from) / 100 * 2;
$pause = 0.003 if $pause < 0.003;

my $warm = int($rounds / 2);
value($session, "CALL race(1, $warm, $pause)");
my $backend = value($session, 'SELECT pg_backend_pid()');
value($session, 'SELECT memory()');
my ($memory, $resident) = (value($session, 'SELECT memory()'), process_field($backend, 'RssAnon'));
value($session, "CALL race($warm + 1, $rounds, $pause)");
value($session, 'SELECT memory()');
my ($memory_then, $resident_then) = (value($session, 'SELECT memory()'), process_field($backend, 'RssAnon'));
note(sprintf '%d rounds of up to %.1f ms: %s', $rounds, $pause * 1000,
	value($session, q{SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n FROM outcomes GROUP BY 1) AS s}));

is(value($session, q{SELECT count(*) FROM outcomes WHERE state NOT IN ('stopped', 'canceled')}), 0, 'each raced job is stopped or canceled');
is(value($session, 'SELECT count(DISTINCT id) FROM outcomes'), $rounds, 'every raced job has one outcome');
is(value($session, q{SELECT count(DISTINCT state) FROM outcomes}), 2, 'cancels of raced jobs came early and late');
is( value(
		$session,
		q{SELECT count(*) FROM outcomes LEFT JOIN (SELECT id, count(*) AS n FROM done GROUP BY id) AS d USING (id)
		  WHERE coalesce(n, 0) <> CASE state WHEN 'stopped' THEN 1 ELSE 0 END}),
	0,
	'rows of stopped jobs are there once, rows of canceled jobs are not');
cmp_ok($memory_then - $memory, '<=', 65536, "the session's memory is flat ($memory, then $memory_then bytes)");
SKIP: {
	skip 'no /proc', 1 unless $resident;
	cmp_ok($resident_then - $resident, '<=', 200, "the session's process is no larger ($resident, then $resident_then kB)");
}
value($session, 'CALL blind(300)');
is(value($session, 'SELECT count(*) FROM jobs'), 0, 'the races leave no handle');
nothing_left($node, 'after the races');
ok(!crashed($node), 'no process has crashed');

# --- while the worker connects ---

value($other, 'BEGIN; LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE');
launch($session, q{INSERT INTO done VALUES (0, 'connecting')});
is(state(), 'starting', 'a worker that connects is starting');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
is(value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 10)'), 'f', 'a cancelled job cannot end while its connection waits for a lock');
is(state(), 'starting', 'a cancelled job that still connects is starting');
value($other, 'COMMIT');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'canceled', 'a job that was cancelled while it connected is canceled');
is(noted('connecting'), 0, 'a job that was cancelled while it connected has not run');
my ($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
like($err, qr/ERROR:  57014: canceling statement due to user request/, 'the result of a job cancelled while it connected is the cancel');

# --- while it runs ---

launch($session, q{INSERT INTO done VALUES (0, 'running'); SELECT pg_sleep(600)});
ok(until_worker_waits_for('PgSleep'), 'a job to cancel runs');
$from = time;
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
cmp_ok(time - $from, '<', $Jobs::patience, 'a cancel ends a running job in time');
is(state(), 'canceled', 'a job that was cancelled while it ran is canceled');
is(noted('running'), 0, 'a job that was cancelled while it ran is rolled back');
is(value($session, 'SELECT last_error FROM jobs WHERE pid = :pid'), 'canceling statement due to user request', 'the list says why a job was canceled');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# A job that catches the cancel and goes on is cancelled all the same.
launch($session, q{INSERT INTO done VALUES (0, 'trapped'); DO $$ BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END $$});
ok(until_worker_waits_for('PgSleep'), 'a job that traps cancels runs');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
is(state(), 'canceled', 'a job that traps its cancel is canceled all the same');
is(noted('trapped'), 0, 'a job that traps its cancel is rolled back');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# --- blocked on a full queue ---

for my $wait_first (0, 1)
{
	launch($session, q{INSERT INTO done VALUES (0, 'streaming'); SELECT g, repeat('x', 1000) FROM generate_series(1, 1000000) AS g});
	ok(until_worker_waits_for('MessageQueueSend'), 'a job is blocked on its queue');
	value($session, 'SELECT pg_background_wait_v2_timeout(:pid, :cookie, 1)') if $wait_first;
	value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
	is(state(), 'canceled', 'a cancel ends a job that is blocked on its queue');
	is(noted('streaming'), 0, 'a cancel rolls back a job that is blocked on its queue');
	($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (g int, x text)');
	like($err, qr/ERROR:  57014: /, 'the result of a job cancelled on a full queue is the cancel');
	is($out, '', 'a job cancelled on a full queue gives none of its rows');
}

# --- blocked on a lock ---

value($other, 'BEGIN; LOCK TABLE done');
launch($session, q{INSERT INTO done VALUES (0, 'locked')});
ok(until_worker_waits_for('relation'), 'a job waits for a lock');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
is(state(), 'canceled', 'a cancel ends the wait of a job for a lock');
value($other, 'COMMIT');
is(noted('locked'), 0, 'a job that was cancelled while it waited for a lock has not run');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# --- after the end ---

launch($session, q{INSERT INTO done VALUES (0, 'over')});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_cancel_v2_grace(:pid, :cookie, 10)');
is(state(), 'stopped', 'a cancel of a job that ended well changes nothing');
is(noted('over'), 1, 'the row of a job that ended before its cancel stays');
is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)'), 'INSERT 0 1', 'the result of a job that ended before its cancel can be read');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie)');
pass('a cancel of a job that was read does nothing');
launch($session, 'SELECT 1 / 0');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie), pg_background_cancel_v2(:pid, :cookie)');
is(state(), 'error', 'a cancel of a job that failed changes nothing');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# --- with grace ---

# What it takes, and what is left: statements, grace in ms, state, rows.
for my $case (
	[ 'none', 'SELECT pg_sleep(600)', 0, 'canceled', 0 ],
	[ 'negative', 'SELECT pg_sleep(600)', -5, 'canceled', 0 ],
	[ 'enough', 'SELECT pg_sleep(3)', 60_000, 'stopped', 1 ],
	[ 'too little', 'SELECT pg_sleep(600)', 200, 'canceled', 0 ],
	[ 'enough but for a later statement', q{SELECT pg_sleep(3); INSERT INTO done VALUES (1, 'later')}, 60_000, 'canceled', 0 ])
{
	my ($what, $sql, $grace, $state, $rows) = @$case;

	launch($session, "INSERT INTO done VALUES (0, 'grace: $what'); $sql");
	until_worker_waits_for('PgSleep') or die 'the job did not start';
	$from = time;
	value($session, "SELECT pg_background_cancel_v2_grace(:pid, :cookie, $grace), pg_background_wait_v2(:pid, :cookie)");
	my $took = time - $from;
	is(state(), $state, "grace, $what: $state");
	is(noted("grace: $what"), $rows, "grace, $what: $rows rows");
	cmp_ok($took, '<', 30, "grace, $what: in time");
	cmp_ok($took, '>=', 0.2, "grace, $what: not before it is over") if $what eq 'too little';
	value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
}
is(noted('later'), 0, 'no statement after the one with grace has run');

# Who waits out the grace can be interrupted; then nothing but the softer request stands.
value($other, 'SELECT pg_advisory_lock(1)');
launch($session, q{INSERT INTO done VALUES (0, 'interrupted'); SELECT pg_advisory_xact_lock(1)});
ok(until_worker_waits_for('advisory'), 'a job waits for a lock');
($out, $err) = ask($session, q{SET statement_timeout = 200; SELECT pg_background_cancel_v2_grace(:pid, :cookie, 60000)});
like($err, qr/57014: canceling statement due to statement timeout/, 'a wait for the end of the grace is interrupted');
is(value($session, 'RESET statement_timeout; SELECT state FROM jobs WHERE pid = :pid'), 'running', 'the job runs on when the wait for its grace is interrupted');
value($other, 'SELECT pg_advisory_unlock_all()');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'stopped', 'a job with grace ends well with its last statement');
is(noted('interrupted'), 1, 'a job with grace that ends well has committed its row');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# --- a launch that is cancelled while the worker is on its way ---

nothing_left($node, 'after the cancels');
$node->append_conf('postgresql.conf', 'post_auth_delay = 1');
$node->reload;
# The postmaster has it when a new process has it.
value($session, 'SELECT pg_sleep(0.1)') until $node->safe_psql('postgres', 'SHOW post_auth_delay') eq '1s';
for my $call ('launch', 'submit')
{
	($out, $err) = ask($session,
		"SET statement_timeout = 300; SELECT pg_background_${call}_v2(\$\$INSERT INTO done VALUES (0, 'too late')\$\$)");
	like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, "a $call that waits for its worker can be cancelled");
}
value($session, 'RESET statement_timeout');
is(value($session, 'SELECT count(*) FROM jobs'), 0, 'there is no handle of a launch that was cancelled');
launch($session, q{INSERT INTO done VALUES (0, 'slow start')});
is(state(), 'starting', 'a slow worker is starting');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
is(state(), 'canceled', 'a job whose worker is slow to start can be cancelled');
is(noted('slow start'), 0, 'a job that was cancelled before its worker had started does nothing');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
$node->append_conf('postgresql.conf', 'post_auth_delay = 0');
$node->reload;
nothing_left($node, 'after cancelled launches');
is(noted('too late'), 0, 'a job that the launcher does not know of has not run');

# --- many at once ---

value($session, q{SELECT count(pg_background_launch_v2('SELECT pg_sleep(600)')) FROM generate_series(1, 16)});
$from = time;
value($session, 'SELECT pg_background_cancel_v2(pid, cookie) FROM jobs');
value($session, 'SELECT pg_background_wait_v2(pid, cookie) FROM jobs');
is(value($session, q{SELECT string_agg(DISTINCT state, ' ') FROM jobs}), 'canceled', '16 jobs at once are cancelled');
is(value($session, 'SELECT workers_canceled >= 16 FROM pg_background_stats_v2()'), 't', '16 cancelled jobs are counted');
value($session, 'SELECT pg_background_detach_v2(pid, cookie) FROM jobs');

$session->quit;
$other->quit;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
