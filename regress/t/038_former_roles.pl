# As whom a job runs whose session has a role that was renamed, or that it could not take any more: it is still the session's, in a new
# worker as in one that has served the session before.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('former', conf => "pg_background.idle_timeout = '10min'\n");
my $admin = session($node);
value($admin, q{CREATE ROLE carol; CREATE ROLE dave; CREATE ROLE guest LOGIN; CREATE ROLE app LOGIN; CREATE ROLE boss LOGIN SUPERUSER;
  GRANT carol, dave TO app; CREATE DATABASE other;
  SELECT count(grant_pg_background_privileges(name)) FROM unnest('{carol,dave,guest,app}'::text[]) AS name});

# Minor versions of before November 2024 give a worker neither the setting "role" nor the name that a login role had; and they ask anew
# for the right to a session user.
my %first = (14 => 14, 15 => 9, 16 => 5, 17 => 1);
my ($major, $minor) = split /\./, $node->pg_version . '';
my $shows_names = !exists $first{$major} || ($minor // 0) >= $first{$major};
my $who = q{concat_ws(' ', session_user, current_user} . ($shows_names ? q{, current_setting('session_authorization'), current_setting('role'))} : ')');

# What a statement can do to the roles, and back.
my @changes = ('SET enable_seqscan = on', 'RESET ROLE', 'SET ROLE NONE', 'RESET SESSION AUTHORIZATION');
push @changes, 'DO $do$ BEGIN SET LOCAL ROLE NONE; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN END $do$' if $shows_names;

# The answer, or the error.
sub answer
{
	my ($out, $err) = @_;
	return $err =~ /ERROR:\s+(.*)/ ? $1 : $out;
}

# Jobs in new workers and in used ones find the roles that the session has, and can do with them what the session can.
sub as_in_session
{
	my ($session, $what, @more) = @_;

	for my $change (@changes, @more)
	{
		my ($out, $err) = ask($session, "BEGIN; $change; SELECT $who; ROLLBACK");
		my $expected = answer($out, $err);
		without_idle($node);
		for my $worker ('a new worker', 'a worker of this session', 'a worker of this session')
		{
			is(answer(ask($session, job_sql("$change; SELECT $who"))), $expected, "$what, $change: $worker");
		}
	}
	return;
}

# another database, in which the session's settings are laid over those of the database
sub elsewhere
{
	my ($session, $what) = @_;
	my $sql = "SELECT x FROM pg_background_query(\$job\$SELECT $who\$job\$, database => 'other') AS (x text)";

	is(answer(ask($session, $sql)), value($session, "SELECT $who"), "$what: another database");
	return;
}

my $guest = session($node, extra => [ '-U', 'guest' ]);
value($admin, 'ALTER ROLE guest RENAME TO visitor');
is(value($guest, 'SELECT session_user'), 'visitor', 'a role is renamed');
as_in_session($guest, 'login role renamed');
elsewhere($guest, 'login role renamed');

# another has the name now
if ($shows_names)
{
	value($admin, q{CREATE ROLE guest LOGIN SUPERUSER});
	as_in_session($guest, 'login role renamed, its name taken');
}
# a session that knows the new name gets a worker of the one that does not, and the other way round
my $visitor = session($node, extra => [ '-U', 'visitor' ]);
for my $session ($visitor, $guest, $visitor)
{
	is(answer(ask($session, job_sql("SELECT $who"))), value($session, "SELECT $who"), 'a session with another name for the same role');
}
$_->quit for $guest, $visitor;

my $app = session($node, extra => [ '-U', 'app' ]);
value($app, 'SET ROLE carol');
value($admin, 'REVOKE carol FROM app');
as_in_session($app, 'membership revoked', 'SET ROLE carol', 'SET ROLE dave', 'SET ROLE NONE; SET ROLE dave');
elsewhere($app, 'membership revoked');
# a worker of other settings
value($app, q{SET work_mem = '5MB'});
is(answer(ask($app, job_sql("SELECT $who"))), value($app, "SELECT $who"), 'membership revoked: other settings');
value($app, 'RESET work_mem');
value($admin, 'ALTER ROLE carol RENAME TO caroline');
as_in_session($app, 'membership revoked, role renamed');
value($app, 'RESET ROLE');
as_in_session($app, 'after RESET ROLE', 'SET ROLE caroline', 'SET ROLE dave');
$app->quit;

# Two sessions have under the same name different roles, and the same settings; then other ones. The worker of one is used by the other.
my ($one, $two) = map { session($node, extra => [ '-U', 'app' ]) } 1 .. 2;
value($admin, q{GRANT caroline TO app; ALTER ROLE caroline RENAME TO carol});
value($one, q{SET ROLE carol; SET work_mem = '4MB'});
value($admin, q{ALTER ROLE carol RENAME TO caroline; CREATE ROLE carol; GRANT carol TO app; SELECT grant_pg_background_privileges('carol')});
value($two, 'SET ROLE carol');
without_idle($node);
for my $work_mem (4, 5)
{
	value($two, "SET work_mem = '${work_mem}MB'");
	for my $session (($one, $two) x 4)
	{
		for my $change (@changes)
		{
			my $expected = answer(ask($session, "BEGIN; $change; SELECT $who; ROLLBACK"));
			is(answer(ask($session, job_sql("$change; SELECT $who"))), $expected, "two roles of one name, $change");
		}
	}
}
$_->quit for $one, $two;

my $boss = session($node, extra => [ '-U', 'boss' ]);
value($boss, 'SET SESSION AUTHORIZATION app; SET ROLE dave');
value($admin, 'GRANT pgbackground_role TO boss; ALTER ROLE boss NOSUPERUSER; REVOKE dave FROM app');
as_in_session($boss, 'no superuser any more', 'SET ROLE dave') if $shows_names;
$boss->quit;

# All settings are restored by the server's function where RESET would give another value.
my $wholesale = session($node, extra => [ '-U', 'visitor' ]);
value($admin, q{ALTER ROLE visitor SET work_mem = '7MB'; GRANT caroline TO visitor; SELECT grant_pg_background_privileges('visitor')});
value($wholesale, 'SET ROLE caroline');
value($admin, 'REVOKE caroline FROM visitor; ALTER ROLE visitor RENAME TO stranger');
as_in_session($wholesale, 'all settings restored', 'SET ROLE caroline') if $shows_names;
$wholesale->quit;

healthy($node);
done_testing();
