# Statements on roles and databases that fail, are rolled back or change nothing send no idle worker away, whoever runs them; those
# that commit do.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('no_effect', preload => 1, conf => <<'END');
pg_background.idle_timeout = '10min'
pg_background.max_idle_workers = 16
max_prepared_transactions = 4
END
my $session = session($node);
my $job = q{SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_backend_pid()')) AS (pid int)};

value($session, q{CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE guest LOGIN; CREATE ROLE victim;
  SELECT grant_pg_background_privileges('guest'); CREATE DATABASE target; CREATE DATABASE targets IS_TEMPLATE true});
$node->safe_psql('targets', 'CREATE EXTENSION pg_background');
my $guest = session($node, extra => [ '-U', 'guest' ]);
value($session, 'SET client_min_messages = warning');

# One of each who is idle: of a superuser and of a guest, and one in another database.
sub idle
{
	my $there = $node->safe_psql('targets', $job);
	my @pids = (value($session, $job), value($guest, $job), $there);
	until_true(sub { my %idle = map { $_ => 1 } idle_workers($node); 3 == grep { $idle{$_} } @pids }) or die "@pids are not idle";
	return "@pids";
}

my $idle = idle();

# They are all there, and still take jobs.
sub stay
{
	my ($role, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $in = session($node, extra => [ '-U', $role ]);

	ask($in, $_) for split /;;/, $sql;
	$in->quit;
	my $now = idle();
	is($now, $idle, "$role: $sql: all workers stay");
	$idle = $now;
	return;
}

# Those that are meant have gone, and nobody else.  The numbers say which.
sub go
{
	my ($sql, @which) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @pids = split / /, $idle;
	my %meant = map { $_ => 1 } @which;

	for my $statement (split /;;\s*/, $sql)
	{
		my (undef, $err) = ask($session, $statement);
		is($err, '', "$statement: succeeds");
	}
	ok(until_true(sub { is_gone($_) }, 20), "$sql: worker $_ has gone") for @pids[@which];
	$idle = idle();
	my @now = split / /, $idle;
	is($now[$_], $pids[$_], "$sql: worker $pids[$_] has stayed") for grep { !$meant{$_} } 0 .. 2;
	return;
}

sub caught { my ($sql) = @_; return "DO \$\$ BEGIN BEGIN $sql; EXCEPTION WHEN OTHERS THEN NULL; END; END \$\$" }

# --- without the right to ---

stay('guest', $_)
  for map { $_, caught($_) } ('DROP ROLE postgres', 'DROP ROLE victim', 'ALTER ROLE postgres SET work_mem = 1000', 'ALTER ROLE postgres LOGIN',
	'ALTER DATABASE target SET work_mem = 1000', 'ALTER ROLE ALL SET work_mem = 1000', 'DROP EXTENSION pg_background',
	'ALTER EXTENSION pg_background UPDATE', 'ALTER ROLE CURRENT_USER SET no_such_setting = 1');

# --- of what is not there ---

stay('postgres', $_)
  for map { $_, caught($_) } ('DROP ROLE nobody', 'DROP ROLE IF EXISTS nobody', 'ALTER ROLE nobody SET work_mem = 1000',
	'ALTER DATABASE nowhere SET work_mem = 1000', 'DROP ROLE postgres');
stay('guest', 'DROP ROLE IF EXISTS nobody');
# what the server refuses, in its own words
like((ask($session, "DROP ROLE $_"))[1], qr/ERROR:  22023: cannot use special role specifier in DROP ROLE/, "DROP ROLE $_ is refused") for qw(public CURRENT_USER);
like((ask($guest, 'DROP ROLE public'))[1], qr/ERROR:  42501: permission denied to drop role/, 'DROP ROLE public without the right to');
stay('postgres', q{COMMIT PREPARED 'nothing'});

# --- rolled back ---

stay('postgres', $_)
  for ('BEGIN;; DROP ROLE victim;; ROLLBACK', 'BEGIN;; ALTER ROLE guest SET work_mem = 1000;; SELECT 1 / 0;; COMMIT',
	'BEGIN;; SAVEPOINT s;; DROP ROLE victim;; ROLLBACK TO s;; COMMIT',
	'BEGIN;; SAVEPOINT a;; SAVEPOINT b;; DROP ROLE victim;; RELEASE b;; ROLLBACK TO a;; COMMIT',
	'DO $$ BEGIN BEGIN BEGIN DROP ROLE victim; EXCEPTION WHEN OTHERS THEN NULL; END; PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END; END $$',
	q{BEGIN;; DROP ROLE victim;; PREPARE TRANSACTION 'dropped';; ROLLBACK PREPARED 'dropped'});

# --- prepared: of what is in it ---

stay('postgres', q{BEGIN;; CREATE TABLE t ();; PREPARE TRANSACTION 'table';; COMMIT PREPARED 'table'});
go(q{BEGIN;; ALTER ROLE victim CREATEDB;; PREPARE TRANSACTION 'altered';; COMMIT PREPARED 'altered'}, 0 .. 2);
# A restart forgets the workers, not the transaction.
value($session, q{BEGIN; ALTER ROLE victim NOCREATEDB; PREPARE TRANSACTION 'altered'});
$_->quit for ($session, $guest);
$node->restart;
$session = session($node);
$guest = session($node, extra => [ '-U', 'guest' ]);
value($session, 'SET client_min_messages = warning');
$idle = idle();
go(q{COMMIT PREPARED 'altered'}, 0 .. 2);

# --- databases that cannot be emptied there ---

my $maker = 'BEGIN;; %1$s;; ROLLBACK|' . caught('%1$s') =~ s/\$\$/\$x\$/gr;
for my $role (qw(maker postgres))
{
	stay($role, $_) for map { my $sql = $_; map { sprintf $_, $sql } split /\|/, $maker } 'CREATE DATABASE copy TEMPLATE targets';
}
stay('postgres', $_) for map { my $sql = $_; map { sprintf $_, $sql } split /\|/, $maker } 'ALTER DATABASE targets SET TABLESPACE pg_global',
  'DROP DATABASE targets';

# --- what does commit ---

go(q{ALTER ROLE guest SET work_mem = '2MB'}, 1);
go('BEGIN;; SAVEPOINT a;; SAVEPOINT b;; ALTER ROLE guest RESET work_mem;; RELEASE b;; RELEASE a;; COMMIT', 1);
go(q{DO $$ BEGIN BEGIN ALTER ROLE guest SET work_mem = '2MB'; EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN DROP ROLE victim; PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END; END $$}, 1);
stay('postgres', 'SELECT 1');
go('BEGIN;; SAVEPOINT a;; ALTER ROLE guest RESET work_mem;; SAVEPOINT b;; ALTER ROLE postgres SET work_mem = 1000;; ROLLBACK TO b;; COMMIT', 1);
# two at once: everybody
go('BEGIN;; ALTER DATABASE targets SET work_mem = 1000;; SAVEPOINT a;; ALTER ROLE guest RESET ALL;; RELEASE a;; COMMIT', 0 .. 2);
go('ALTER ROLE ALL IN DATABASE targets SET work_mem = 1000', 2);
go('DROP ROLE IF EXISTS nobody, victim', 0 .. 2);

$_->quit for ($session, $guest);
healthy($node);
$node->stop;
done_testing();
