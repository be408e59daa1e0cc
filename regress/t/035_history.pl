# The history from one life of the server to the next: what is saved, and what is made of a file that is not as it was.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('history', preload => 1, conf => "restart_after_crash = on\nmax_wal_senders = 2\nwal_level = replica\n");
my $file = $node->data_dir . '/pg_stat/pgsql_tmp.pg_background.stat';
my $offset = 0;

# What the history says of all jobs with a label, but for the numbers of their processes; the newest last.
sub history
{
	return Jobs::look($node, q{SELECT string_agg(concat_ws(' ', label, datname, usename, state, sqlstate, message, row_count, query, spooled_bytes,
	  finished_at, cookie, wal_bytes, max_rss_kb, cpu_user), E'\n' ORDER BY finished_at) FROM pg_background_history WHERE label <> ''});
}

sub labels { return Jobs::look($node, q{SELECT string_agg(label, ' ' ORDER BY finished_at) FROM pg_background_history WHERE label <> ''}) }

sub run_job
{
	my ($label, $sql) = @_;
	$node->psql('postgres', "SELECT pg_background_await(pg_background_start(\$job\$$sql\$job\$, label => '$label', results => false))");
	until_true(sub { labels() =~ /\b\Q$label\E$/ }) or die "$label is not in the history";
	return;
}

# Lines of the log since the last look that match.
sub said
{
	my ($pattern) = @_;
	my $log = slurp_file($node->logfile, $offset);
	return scalar grep { /$pattern/ } split /\n/, $log;
}

sub restart
{
	my ($between, %how) = @_;
	$node->stop($how{mode} || 'fast');
	$offset = -s $node->logfile;
	$between->() if $between;
	$node->start;
	return;
}

sub write_file
{
	my ($bytes) = @_;
	open my $out, '>:raw', $file or die "$file: $!";
	print $out $bytes;
	close $out or die "$file: $!";
	return;
}

my $warning = qr/pgsql_tmp\.pg_background\.stat/;

# --- a clean stop and start ---

run_job('good', 'INSERT INTO done SELECT generate_series(1, 100)');
run_job('bad', 'SELECT 1 / 0');
my $before = history();
like($before, qr/good postgres \S+ stopped 100 INSERT.*\nbad postgres \S+ error 22012 division by zero 0 SELECT 1 \/ 0 /, 'the history has the jobs');
my $handle = Jobs::look($node, q{SELECT format('(%s,%s)', pid, cookie) FROM pg_background_history WHERE label = 'bad'});
my $saved;
restart(sub { $saved = slurp_file($file) });
is(history(), $before, 'the history is there after a restart');
is(said($warning), 0, 'a good file is not worth a line');
is(slurp_file($file), $saved, 'the file stays');
$node->backup('running');
ok(-d $node->backup_dir . '/running/pg_stat' && !glob($node->backup_dir . '/running/pg_stat/*pg_background*'), 'a backup of a running server has no such file');
is(Jobs::look($node, "SELECT state, sqlstate FROM pg_background_outcome('$handle')"), 'error|22012', 'a handle from before the restart has its outcome');
is(Jobs::look($node, 'SELECT count(*) FROM pg_stat_background_totals'), '0', 'the counters begin anew');
run_job('next', 'SELECT 1');
restart();
is(labels(), 'good bad next', 'later jobs come behind');

# --- fewer are remembered ---

restart(sub { $node->append_conf('postgresql.conf', 'pg_background.history_size = 2') });
is(labels(), 'bad next', 'the newest that fit are taken over');
is(said($warning), 0, 'a larger history is not worth a line');
run_job('ring', 'SELECT 1');
is(labels(), 'next ring', 'the ring goes on');
restart(sub { $node->append_conf('postgresql.conf', 'pg_background.history_size = 1024') });
is(labels(), 'next ring', 'a ring that has come round is saved in its order');

# --- files that are not as they were ---

sub ignored
{
	my ($what, $bytes, $why) = @_;
	restart(sub { write_file($bytes) });
	is(labels(), '', "$what: the history begins empty");
	is(said($warning), 1, "$what: the log has one line");
	is(said(qr/LOG:  ignoring file "pg_stat\/pgsql_tmp\.pg_background\.stat": $why/), 1, "$what: it says why");
	ok(!-e $file, "$what: the file is gone");
	return;
}

sub flipped
{
	my ($bit) = @_;
	my $bytes = $saved;
	vec($bytes, $bit, 1) ^= 1;
	return $bytes;
}

ignored('an empty file', '', 'it is not a history of pg_background');
ignored('half a file', substr($saved, 0, length($saved) / 2), 'the checksum is wrong');
ignored('a bit of the texts', flipped(8 * (length($saved) - 30)), 'the checksum is wrong');
ignored('a bit of the count', flipped(8 * 16), 'the checksum is wrong');
ignored('another format', flipped(8 * 8 + 7), 'it is of another version of pg_background \(format 129\)');
ignored('another file', "\x7fELF" . 'x' x 100_000, 'it is not a history of pg_background');
# with a checksum that is right: empty histories of PostgreSQL 13 and of another cluster
my $foreign = substr($saved, 0, 12) . pack('LQL', 13, 1, 0);
ignored('another major', $foreign . pack('L', crc32($foreign)), 'it was written by PostgreSQL 13');
$foreign = substr($saved, 0, 16) . pack('QL', 4711, 0);
ignored('another cluster', $foreign . pack('L', crc32($foreign)), 'it is of another cluster \(system identifier 4711\)');

sub crc32
{
	my $crc = 0xFFFFFFFF;
	foreach my $byte (unpack 'C*', $_[0])
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ 0xEDB88320 : $crc >> 1 for 1 .. 8;
	}
	return ~$crc & 0xFFFFFFFF;
}

restart(sub { write_file($saved) });
is(labels(), 'good bad', 'the file as it was is taken over');

# a directory in its place can neither be read nor be replaced
restart(sub { unlink $file; mkdir $file or die "$file: $!" });
is(labels(), '', 'a directory in the place of the file: the history begins empty');
is(said(qr/could not remove file "pg_stat\/pgsql_tmp\.pg_background\.stat": /), 1, 'a directory in the place of the file: the log says that it stays');
run_job('unwritten', 'SELECT 1');
$offset = -s $node->logfile;
$node->stop;
is(said(qr/LOG:  could not write file "pg_stat\/pgsql_tmp\.pg_background\.stat\.new": /), 1, 'a file that cannot be written: the log says so');
# the stop may find the last client's backend on its way out
is(said(qr/FATAL:  (?!terminating connection due to administrator command)|PANIC|ERROR/), 0, 'a file that cannot be written: the server stops well');
ok(!-e "$file.new", 'a file that cannot be written: no half of it stays');
rmdir $file or die "$file: $!";
$node->start;
is(labels(), '', 'a file that was not written: the history begins empty');

# --- starts that fail ---

run_job('kept', 'SELECT 1');
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
restart(sub {
		append_to_file($node->data_dir . '/pg_hba.conf', "lokal all all trust\n");
		is($node->start(fail_ok => 1), 0, 'a server with an error in pg_hba.conf does not start');
		unlink $node->data_dir . '/pg_hba.conf';
		append_to_file($node->data_dir . '/pg_hba.conf', $hba);
		$node->append_conf('postgresql.conf', "unix_socket_directories = '/nowhere'");
		is($node->start(fail_ok => 1), 0, 'a server without its socket does not start');
		$node->append_conf('postgresql.conf', "unix_socket_directories = '" . $node->host . "'");
	});
is(labels(), 'kept', 'a start that failed does not lose the history');

# --- an error while it is read ---

SKIP: {
	skip 'points are not compiled in', 4 if !$ENV{PGBG_POINTS};
	my $points = $node->data_dir . '/pg_background_points';
	restart(sub { mkdir $points or die "$points: $!"; append_to_file("$points/history-load", 'error') });
	is(labels(), '', 'an error while the history is read: the server starts, and the history begins empty');
	is(said(qr/LOG:  ignoring file ".*": out of memory at point/), 1, 'an error while the history is read: the log says why');
	is(said(qr/FATAL|PANIC|ERROR/), 0, 'an error while the history is read is no error');
	ok(!-e $file, 'an error while the history is read: the file is gone');
	unlink "$points/history-load";
	rmdir $points;
}

# --- other ends of the server ---

restart();
my $last_stop = labels();

run_job('immediate', 'SELECT 1');
restart(undef, mode => 'immediate');
like(labels(), qr/^\Q$last_stop\E( ?immediate)?$/, 'after an immediate stop the history is whole, or that of the last stop');
restart();
$last_stop = labels();
is(said($warning), 0, 'after an immediate stop nothing is ignored');

run_job('crash', 'SELECT 1');
my $victim = session($node);
my $pid = value($victim, 'SELECT pg_backend_pid()');
$offset = -s $node->logfile;
kill 'ABRT', $pid;
until_true(sub { said(qr/database system is ready to accept connections/) }) or die 'the server did not come back';
until_there($node) or die 'no connection after the crash';
is(labels(), $last_stop, 'after a crash the history is that of the last stop');
eval { $victim->quit };
run_job('after the crash', 'SELECT 1');
restart();
is(labels(), "$last_stop after the crash", 'the history is saved once after a crash, too');

# --- history_save ---

setting($node, 'pg_background.history_save', 'off');
restart(sub { ok(!-e $file, 'history_save = off: a stop leaves no file') });
is(labels(), '', 'history_save = off: nothing is saved');
run_job('unsaved', 'SELECT 1');
restart(sub { write_file($saved) });
is(labels(), '', 'history_save = off: nothing is read');
ok(!-e $file, 'history_save = off: a file that is there goes');

$node->stop;
done_testing();
