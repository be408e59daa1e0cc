# What a session remembers of its right to connect: which warm workers fit, and that a new one could connect at all. Each of the catalogs
# that it depends on tells it of changes: roles, databases, memberships.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('rights', conf => "pg_background.idle_timeout = '10min'\n");
plan skip_all => 'workers stay only with a registry' unless $node->{registry};

my $session = session($node);
value($session, q{CREATE ROLE crew; CREATE ROLE guest LOGIN; GRANT crew TO guest; GRANT CONNECT ON DATABASE postgres TO crew;
  REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; SELECT grant_pg_background_privileges('guest')});
my $guest = session($node, extra => [ '-U', 'guest' ]);
my $pid_of_job = 'SELECT pg_backend_pid()::text';

# Does the guest's next job find the worker of the last? One that is still to reset its session is not awaited by a launch.
sub stays_warm
{
	my $last = job($guest, $pid_of_job);
	return until_true(sub { my $pid = job($guest, $pid_of_job); my $same = $pid == $last; $last = $pid; return $same }, 20);
}

# Where a launch goes by the rows as they were, no worker that has connected since fits it, and each job is a new process.
ok(stays_warm(), 'a guest has a warm worker');
for my $change ('ALTER ROLE guest CONNECTION LIMIT 17', 'GRANT TEMPORARY ON DATABASE postgres TO crew')
{
	my $before = job($guest, $pid_of_job);

	value($session, $change);
	isnt(job($guest, $pid_of_job), $before, "$change: the next job's worker has connected since");
	ok(stays_warm(), "$change: later jobs find that worker");
}

# No row of the guest or the database is changed by this; its worker stays as it was.
value($session, 'REVOKE crew FROM guest');
my ($out, $err) = ask($guest, job_sql($pid_of_job));
like($err, qr/ERROR:  42501: permission denied for database "postgres"/, 'who has lost the membership by which he could connect has no job');
value($session, 'GRANT crew TO guest');
is(job($guest, 'SELECT session_user::text'), 'guest', 'who has it again has jobs');

$guest->quit;
value($session, q{GRANT CONNECT ON DATABASE postgres TO PUBLIC});
healthy($node);
done_testing();
