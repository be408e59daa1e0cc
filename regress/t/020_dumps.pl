# A dump of a database that holds the extension 2.0 is restored, as docs/migration.md says, before and after an update to 3.0; and
# pg_upgrade takes such databases to another server.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('dumps');
my $dir = $node->basedir;

sub create_database
{
	my ($name, @commands) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, $_) foreach @commands;
	return;
}

# What pg_dump makes of a database, without the lines that are different each time.
sub dump_of
{
	my ($name) = @_;
	my $file = "$dir/$name.sql";
	$node->command_ok([ 'pg_dump', '-f', $file, $name ], "$name is dumped");
	my $text = slurp_file($file);
	$text =~ s/^\\(?:un)?restrict .*\n//gm;
	return ($file, $text);
}

# restore(FILE, DATABASE): what psql complains of
sub restore
{
	my ($file, $name) = @_;
	my (undef, $err) = run_command([ 'psql', '-X', '-q', '-v', 'VERBOSITY=terse', '-h', $node->host, '-p', $node->port, '-d', $name, '-f', $file ]);
	return $err;
}

# The objects of an application for 2.0, used.
sub application_works
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->safe_psql($name, q{SELECT counted('SELECT generate_series(1, 7)')}), '7', "$name: a function that uses run()");
	is($node->safe_psql($name, q{SELECT state, label FROM last_jobs(); SELECT count(*) FROM my_jobs}),
		"stopped|from the application\n0", "$name: a view of the list, a function that uses outcome()");
	is($node->safe_psql($name, q{INSERT INTO journal SELECT o FROM pg_background_outcome(1, 2) o; SELECT (outcome).cookie FROM journal}),
		'2', "$name: a column of one of the types");
	$node->safe_psql($name, 'TRUNCATE journal');
	return;
}

my @application = (
	q{CREATE VIEW my_jobs AS SELECT pid, state, label FROM pg_background_list},
	q{CREATE FUNCTION counted(text) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT (pg_background_run($1)).row_count; END},
	q{CREATE FUNCTION last_jobs() RETURNS SETOF pg_background_outcome LANGUAGE plpgsql AS $$
		DECLARE job pg_background_handle;
		BEGIN
			job := pg_background_launch('SELECT 1', 0, 'from the application');
			PERFORM pg_background_wait(job.pid, job.cookie);
			RETURN NEXT pg_background_outcome(job.pid, job.cookie);
			PERFORM pg_background_detach(job.pid, job.cookie);
		END $$},
	q{CREATE TABLE journal (outcome pg_background_outcome)});

create_database('old', q{CREATE EXTENSION pg_background VERSION '2.0'}, @application);
my ($old, $text) = dump_of('old');
unlike($text, qr/\b(?:GRANT|REVOKE)\b/, 'privileges that the extension gave are not in the dump');

# Without more ado the dump makes a fresh 3.0, which has not the names of 2.0.
create_database('hasty');
like(restore($old, 'hasty'), qr/ERROR: +relation "public\.pg_background_list" does not exist/, 'a fresh 3.0 is not 2.0');

# The documented way; the update at once, later, or never.
my $create = q{CREATE EXTENSION pg_background VERSION '2.0'};
my $update = 'ALTER EXTENSION pg_background UPDATE';
create_database('restored', $create, $update);
is(restore($old, 'restored'), '', 'restored into 3.0 that comes from 2.0');
application_works('restored');
create_database('kept', $create);
is(restore($old, 'kept'), '', 'restored into 2.0');
application_works('kept');
is((dump_of('kept'))[1], $text, 'and dumped as it was');
$node->safe_psql('kept', $update);
application_works('kept');

# Of an updated database.
my ($updated) = dump_of('kept');
create_database('twice', $create, $update);
is(restore($updated, 'twice'), '', 'restored from a database that was updated');
application_works('twice');
is($node->safe_psql('twice', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_background'}), '3.0', 'which is 3.0');

# In a schema of its own.
create_database('elsewhere', 'CREATE SCHEMA jobs', q{CREATE EXTENSION pg_background SCHEMA jobs VERSION '2.0'},
	q{CREATE VIEW my_jobs AS SELECT * FROM jobs.pg_background_activity});
my ($elsewhere) = dump_of('elsewhere');
create_database('elsewhere_2', 'CREATE SCHEMA jobs', q{CREATE EXTENSION pg_background SCHEMA jobs VERSION '2.0'}, $update);
like(restore($elsewhere, 'elsewhere_2'), qr/^[^\n]*schema "jobs" already exists$/, 'restored into the schema, and nothing else is wrong');
is($node->safe_psql('elsewhere_2', 'SELECT count(*) FROM my_jobs'), '0', 'a view of it works');

# pg_upgrade takes the catalog of 2.0 as it is, and that of a database which was updated.
my $new = PostgreSQL::Test::Cluster->new('upgraded');
$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_background'\n");
create_database('upgrade_me', $create, @application);
my @cleanup = grep { $_ ne 'upgrade_me' && $_ ne 'kept' } split /\n/,
	$node->safe_psql('postgres', q{SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'});
$node->safe_psql('postgres', "DROP DATABASE $_") foreach @cleanup;
$node->stop;
my $bindir = $node->config_data('--bindir');
chdir $dir;
command_ok([ 'pg_upgrade', '-b', $bindir, '-B', $bindir, '-d', $node->data_dir, '-D', $new->data_dir,
		'-s', $new->host, '-p', $node->port, '-P', $new->port ], 'pg_upgrade');
$new->start;
$node = $new;
application_works('upgrade_me');
application_works('kept');
is($node->safe_psql('upgrade_me', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_background'}), '2.0', 'it is 2.0 still');
$node->safe_psql('upgrade_me', $update);
application_works('upgrade_me');

$node->stop;
done_testing();
