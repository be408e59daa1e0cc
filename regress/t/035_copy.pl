# COPY in jobs: a large table out and in again without growth of any process, files and programs with their rights, rows that are skipped.
# PGBG_COPY_MB: the table's size (100); a gigabyte needs 5 GB of disk.

use strict;
use warnings FATAL => 'all';

use Digest::MD5;
use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $megabytes = $ENV{PGBG_COPY_MB} || 100;
# Few shared buffers: what a process has of them counts as its memory.
my $node = server('copy', conf => "shared_buffers = '4MB'\nmax_wal_size = '4GB'\nfsync = off\nsynchronize_seqscans = off\nlog_min_messages = error\npg_background.idle_timeout = '1h'\n");
my $session = session($node, timeout => 180 + $megabytes);
my $backend = value($session, 'SELECT pg_backend_pid()');
my $directory = PostgreSQL::Test::Utils::tempdir_short();
chmod 0777, $directory;
my ($out, $err);

sub md5_of
{
	my ($file) = @_;
	open my $in, '<:raw', $file or die "$file: $!";
	return Digest::MD5->new->addfile($in)->hexdigest;
}

# What a job says on standard error, and its tag or error.
sub exec_job
{
	my ($in, $sql) = @_;
	my ($tag, $said) = ask($in, "SELECT pg_background_exec(\$job\$$sql\$job\$)");
	return $tag . $said;
}

# --- a large table ---

# A row is of 80 to 90 bytes.
my $rows = int($megabytes * 1_000_000 / 84);
$node->safe_psql('postgres', <<END);
CREATE TABLE big (i bigint, h text, n numeric, x text, at timestamptz);
INSERT INTO big SELECT i, md5(i::text), i * 1.25, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN E'tab\\tnew\\nline' ELSE 'plain, "text"' END,
  '2026-01-01 UTC'::timestamptz + i * interval '1 s' FROM generate_series(1, $rows) i;
CREATE TABLE again (LIKE big);
CREATE TABLE binary_again (LIKE big);
CREATE FUNCTION fetch_all(job pg_background_handle, max_rows int, OUT rows bigint, OUT bytes bigint) LANGUAGE plpgsql AS \$\$
DECLARE
  r record;
BEGIN
  rows := 0;
  bytes := 0;
  LOOP
    SELECT count(*) AS rows, sum(octet_length(line) + 1) AS bytes INTO r FROM pg_background_fetch(job, max_rows) AS (line text);
    EXIT WHEN r.rows = 0;
    rows := rows + r.rows;
    bytes := bytes + r.bytes;
  END LOOP;
END \$\$;
END
my $sum = 'SELECT count(*), sum(hashtextextended(t::text, 0)) FROM %s t';
my $checksum = $node->safe_psql('postgres', sprintf $sum, 'big');
$node->safe_psql('postgres', "COPY big TO '$directory/expected'");
my $size = -s "$directory/expected";
note("$rows rows, $size bytes");

# The peak of a process's memory, in kB, and how it has grown since. The first COPY of each kind is what a process needs for any.
my $start = q{SELECT pid, cookie FROM pg_background_start('COPY %s TO STDOUT') \gset};
sub start { my ($what) = @_; value($session, sprintf $start, $what); return value($session, 'SELECT :pid') }
my $worker = start('(SELECT * FROM big LIMIT 10000)');
value($session, 'SELECT * FROM fetch_all((:pid, :cookie), 10000)');
value($session, "SELECT count(*) FROM pg_background_query('COPY (SELECT * FROM big LIMIT 100000) TO STDOUT') AS (line text)");
my $peak = process_field($backend, 'VmHWM');
my $workers_peak = $node->{registry} ? process_field($worker, 'VmHWM') : 0;

my $from = time;
my $busy = start('big');
is(value($session, 'SELECT * FROM fetch_all((:pid, :cookie), 10000)'), "$rows|$size", 'all rows are fetched, with as many bytes as in a file');
note(sprintf 'fetched with %.0f MB/s', $size / 1e6 / (time - $from));
if ($node->{registry})
{
	is($busy, $worker, 'the same worker');
	my $growth = process_field($worker, 'VmHWM') - $workers_peak;
	note("the worker's peak: $workers_peak kB for 10000 rows, and $growth more for $rows");
	cmp_ok($growth, '<', 8192, 'the worker has not grown');
}
my $growth = process_field($backend, 'VmHWM') - $peak;
note("the launcher's peak: $peak kB for 100000 rows, and $growth more for $rows by fetch");
cmp_ok($growth, '<', 8192, 'the launcher that fetches has not grown');

# psql writes them as they come
$from = time;
value($session, "\\set FETCH_COUNT 10000\n\\pset format unaligned\n\\pset tuples_only on\n\\o $directory/out\n"
	  . "SELECT * FROM pg_background_query('COPY big TO STDOUT') AS (line text);\n\\o\n\\unset FETCH_COUNT");
note(sprintf 'written to a file by psql with %.0f MB/s', $size / 1e6 / (time - $from));
is(md5_of("$directory/out"), md5_of("$directory/expected"), 'the file is that which COPY writes');
$growth = process_field($backend, 'VmHWM') - $peak;
note("the launcher's peak: $growth kB more by query");
cmp_ok($growth, '<', 8192, 'the launcher whose result is in temporary files has not grown');

# nobody reads: it is all on disk, and is read later
value($session, "SET pg_background.spool_limit = '100GB'");
$busy = start('big');
ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_progress_copy WHERE pid = $busy)")
	  && until_true(sub { value($session, 'SELECT state FROM pg_background_outcome((:pid, :cookie))') eq 'stopped' }, 60 + $megabytes),
	'a COPY whose rows nobody reads ends');
is(value($session, 'SELECT * FROM fetch_all((:pid, :cookie), 10000)'), "$rows|$size", 'its rows are all there');
cmp_ok(process_field($backend, 'VmHWM') - $peak, '<', 8192, 'the launcher that reads them has not grown');
unlink "$directory/expected";

# in again, from a file and from a program; through a file in binary
is(exec_job($session, "COPY again FROM '$directory/out'"), "COPY $rows", 'a job loads the file');
is($node->safe_psql('postgres', sprintf $sum, 'again'), $checksum, 'the table is what it was');
is(exec_job($session, "TRUNCATE again; COPY again FROM PROGRAM 'cat $directory/out'"), "COPY $rows", 'a job loads it from a program');
is($node->safe_psql('postgres', sprintf $sum, 'again'), $checksum, 'the table is what it was');
unlink "$directory/out";
is(exec_job($session, "COPY big TO '$directory/binary' (FORMAT binary); COPY binary_again FROM '$directory/binary' (FORMAT binary)"),
	"COPY $rows", 'a job writes and loads a binary file');
is($node->safe_psql('postgres', sprintf $sum, 'binary_again'), $checksum, 'the table is what it was');
unlink "$directory/binary";
if ($node->{registry})
{
	$growth = process_field($worker, 'VmHWM') - $workers_peak;
	note("the worker's peak after all this: $growth kB more");
	cmp_ok($growth, '<', 16384, 'the worker has not grown');
}

# binary rows, one after the other, are the file
$node->safe_psql('postgres', "COPY (SELECT * FROM big LIMIT 1000) TO '$directory/binary' (FORMAT binary)");
is(value($session, "SELECT md5(string_agg(data, '' ORDER BY i)) FROM (SELECT data, row_number() OVER () AS i FROM"
		  . " pg_background_query('COPY (SELECT * FROM big LIMIT 1000) TO STDOUT (FORMAT binary)') AS (data bytea)) b"),
	md5_of("$directory/binary"), 'the rows of a binary COPY make the file');
unlink "$directory/binary";
$node->safe_psql('postgres', 'DROP TABLE big, again, binary_again');

# --- the session goes away: the job goes on ---

my $gone = session($node);
launch($gone, q{COPY (INSERT INTO done SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i RETURNING *) TO STDOUT}, 4096);
$gone->quit;
ok($node->poll_query_until('postgres', 'SELECT count(*) = 20000 FROM done'), 'a job whose session has gone commits');
$node->safe_psql('postgres', 'TRUNCATE done');

# --- rights ---

$node->safe_psql('postgres', 'CREATE ROLE guest LOGIN; GRANT pgbackground_role TO guest; GRANT ALL ON done TO guest');
append_to_file("$directory/rows", "1\tone\nx\ttwo\n3\tthree\n4\n5\tfive\n");
append_to_file("$directory/good", "1\tone\n2\ttwo\n");
chmod 0666, "$directory/rows", "$directory/good";
my $guest = session($node, extra => [ '-U', 'guest' ]);
for my $case ([ "COPY done FROM '$directory/good'", 'pg_read_server_files', 'COPY 2' ], [ "COPY done TO '$directory/written'", 'pg_write_server_files', 'COPY 2' ],
	[ "COPY done FROM PROGRAM 'cat $directory/good'", 'pg_execute_server_program', 'COPY 2' ])
{
	my ($sql, $role, $tag) = @$case;
	like(exec_job($guest, $sql), qr/ERROR:  42501: .*COPY (to|from) .* (file|external program)/, "$sql is refused without $role");
	$node->safe_psql('postgres', "GRANT $role TO guest");
	is(exec_job($guest, $sql), $tag, "$sql works with $role");
}
$guest->quit;
like(exec_job($session, "COPY done FROM '$directory/nowhere'"), qr/ERROR:  58P01: could not open file/, 'the error of a file');
like(exec_job($session, "COPY done FROM PROGRAM 'exit 3'"), qr/ERROR:  38000: program "exit 3" failed/, 'the error of a program');
like(exec_job($session, "COPY done TO PROGRAM 'exit 3'"), qr/ERROR:  (38000: program|58030: could not write|58000: could not write)/, 'and of one that reads');

# --- rows that do not fit ---

my $version = $node->pg_version;
my $load = "TRUNCATE done; COPY done FROM '$directory/rows'";
like(exec_job($session, $load), qr/ERROR:  22P02: invalid input syntax for type integer: "x"\nCONTEXT:  COPY done, line 2, column id: "x"\nbackground worker/,
	'an error has the line');
if ($version < 17)
{
	like(exec_job($session, "$load (ON_ERROR ignore)"), qr/ERROR:  42601: option "on_error" not recognized/, 'no ON_ERROR before 17');
}
else
{
	system_or_bail('sed', '-i', '4d', "$directory/rows");
	$out = exec_job($session, "$load (ON_ERROR ignore)");
	like($out, qr/^COPY 3/, 'ON_ERROR ignore loads the others');
	like($out, qr/NOTICE:  00000: 1 row was skipped due to data type incompatibility/, 'and the session is told');
	is(value($session, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM done"), '1 3 5', 'the rows that fit are there');
	$out = exec_job($session, "$load (ON_ERROR ignore, LOG_VERBOSITY verbose)");
	like($out, qr/NOTICE:  00000: skipping row due to data type incompatibility at line 2 for column "?id"?: "x"/, 'LOG_VERBOSITY verbose names the row');
	like(exec_job($session, "$load (ON_ERROR stop)"), qr/ERROR:  22P02/, 'ON_ERROR stop');
}
if ($version >= 18)
{
	append_to_file("$directory/rows", "y\tsix\n");
	like(exec_job($session, "$load (ON_ERROR ignore, REJECT_LIMIT 1)"),
		qr/ERROR:  22P02: skipped more than REJECT_LIMIT \(1\) rows due to data type incompatibility/, 'REJECT_LIMIT');
	is(value($session, 'SELECT count(*) FROM done'), 3, 'a job that fails has loaded nothing');
	like(exec_job($session, "$load (ON_ERROR ignore, REJECT_LIMIT 2)"), qr/^COPY 3/, 'a REJECT_LIMIT that is not reached');
	is(exec_job($session, "$load (ON_ERROR ignore, LOG_VERBOSITY silent)"), 'COPY 3', 'LOG_VERBOSITY silent');
}

# --- FROM STDIN where the job's text does not show it ---

if ($version >= 18)
{
	mkdir "$directory/extension" or die $!;
	append_to_file("$directory/extension/from_stdin.control", "default_version = '1'\n");
	append_to_file("$directory/extension/from_stdin--1.sql", "CREATE TABLE of_extension (id int);\nCOPY of_extension FROM STDIN;\n");
	$node->append_conf('postgresql.conf', "extension_control_path = '$directory:\$system'");
	$node->reload;
	until_true(sub { Jobs::look($node, 'SHOW extension_control_path') =~ /^\Q$directory\E/ }, 15);
	like(exec_job($session, 'CREATE EXTENSION from_stdin'), qr/ERROR:  0A000: COPY FROM STDIN is not supported in pg_background/,
		q{COPY FROM STDIN of an extension's script is refused});
	is(exec_job($session, 'TRUNCATE done'), 'TRUNCATE TABLE', 'and the channel is as it was');
}

$session->quit;
nothing_left($node, 'in the end');
healthy($node);
$node->stop;
done_testing();
