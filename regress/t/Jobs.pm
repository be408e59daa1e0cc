# What the tests of this directory share: servers with the extension, sessions that may fail, and counting what is left over.
package Jobs;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(server session ask value until_true segments nothing_left healthy crashed process_field is_gone LIST);

# Seconds after which anything that should happen at once has failed.
our $patience = 60;

# The columns of the list, as a caller declares them.
use constant LIST => 'pg_background_list_v2() AS (pid int4, cookie int8, launched_at timestamptz, user_id oid,'
  . ' queue_size int4, state text, sql_preview text, last_error text, consumed bool)';

# Segments are files in the data directory here, so they can be counted.
my $settings = <<'END';
dynamic_shared_memory_type = mmap
max_worker_processes = 32
autovacuum = off
log_statement = none
END

# server(NAME, conf => LINES, init => { ... }): started, with the extension, the view "jobs", and a table that jobs write to.
sub server
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $params{init} || {} });
	$node->append_conf('postgresql.conf', $settings . ($params{conf} || ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_background;'
		  . ' CREATE VIEW jobs AS SELECT * FROM ' . LIST . ';'
		  . ' CREATE TABLE done (id int, note text);');
	$node->{segments_at_rest} = segments($node);
	return $node;
}

# A psql session that goes on after errors.
sub session
{
	my ($node, %params) = @_;
	my $session = $node->background_psql($params{dbname} || 'postgres',
		on_error_stop => 0, extra_params => $params{extra} || [], timeout => $params{timeout});

	$session->set_query_timer_restart;
	$session->query("\\set VERBOSITY verbose\n\\set SHOW_CONTEXT errors");
	return $session;
}

# ask(SESSION, SQL): what the query returned and what was said on standard error
sub ask
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	my $out = $session->query($sql);
	my $err = $session->{stderr};
	$session->{stderr} = '';
	return ($out, $err);
}

# value(SESSION, SQL): what the query returned; an error ends the test
sub value
{
	my ($session, $sql) = @_;
	my ($out, $err) = ask($session, $sql);

	die "query failed: $sql\n$err" if $err =~ /^(psql:\S+ )?(ERROR|FATAL|PANIC)/m;
	return $out;
}

# until_true(CODE, SECONDS): runs CODE until it returns true; false when it never did
sub until_true
{
	my ($code, $seconds) = @_;
	my $end = time + ($seconds || $patience);

	until ($code->())
	{
		return 0 if time > $end;
		usleep(20_000);
	}
	return 1;
}

# Files of shared memory segments.
sub segments
{
	my ($node) = @_;
	my @files = glob($node->data_dir . '/pg_dynshmem/mmap.*');
	return scalar @files;
}

sub settle
{
	my ($node) = @_;
	return $node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_background'});
}

# nothing_left(NODE, WHAT): no process and no segment of a job
sub nothing_left
{
	my ($node, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(settle($node), "$what: no worker is left");
	until_true(sub { segments($node) == $node->{segments_at_rest} }, 10);
	is(segments($node), $node->{segments_at_rest}, "$what: no shared memory segment is left");
	return;
}

sub crashed
{
	my ($node, $offset) = @_;
	return $node->log_contains(qr/terminated by signal|PANIC: |TRAP: |panicked at|exited with exit code 134/, $offset || 0);
}

# healthy(NODE): no process of the server crashed, and it answers
sub healthy
{
	my ($node) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(!crashed($node), 'no process has crashed');
	is($node->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 42')) AS (n int)}),
		42, 'jobs still run');
	return;
}

# process_field(PID, NAME): a field of /proc/PID/status; undef where there is none
sub process_field
{
	my ($pid, $name) = @_;

	open(my $status, '<', "/proc/$pid/status") or return;
	while (my $line = <$status>)
	{
		return $1 if $line =~ /^$name:\s+(\d+)/;
	}
	return;
}

sub is_gone
{
	my ($pid) = @_;
	return !kill(0, $pid);
}

1;
