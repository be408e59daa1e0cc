# What functions and the log may take for granted in a session: that it has a client.  A job has none, and a worker feigns one.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('client', conf => <<'END');
log_line_prefix = '[%p] %qto %a of %u in %d at <%h> <%r>: '
log_min_duration_statement = -1
client_connection_check_interval = 10
END
my $session = session($node);
my $has_sslinfo = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'sslinfo'});

value($session, 'CREATE EXTENSION sslinfo') if $has_sslinfo;
value($session, q{CREATE ROLE guest LOGIN; SELECT grant_pg_background_privileges('guest')});

# What a job of the statement returns in a column of that type, or its error.
sub outcome
{
	my ($in, $type, $sql) = @_;
	my ($out, $err) = ask($in, "SELECT * FROM pg_background_result(pg_background_launch(\$job\$$sql\$job\$)) AS (x $type)");
	return $err eq '' ? $out : $err;
}

for my $how ('new', 'warm')
{
	without_idle($node);
	setting($node, 'pg_background.max_idle_workers', $how eq 'warm' ? 8 : 0) if $node->{registry};
	outcome($session, 'int', 'SELECT 1') for 1 .. 2;

	# --- functions about the connection ---

  SKIP:
	{
		skip 'contrib/sslinfo is not installed', 11 if !$has_sslinfo;
		for my $call ('is_used()', 'client_cert_present()')
		{
			is(outcome($session, 'bool', "SELECT ssl_$call"), 'f', "$how: ssl_$call says false");
		}
		for my $call ('version()', 'cipher()', 'client_serial()', 'client_dn()', 'issuer_dn()', q{client_dn_field('CN')}, q{issuer_field('CN')})
		{
			is(outcome($session, 'bool', "SELECT ssl_$call IS NULL"), 't', "$how: ssl_$call says nothing");
		}
		is(outcome($session, 'bigint', 'SELECT count(*) FROM ssl_extension_info()'), 0, "$how: ssl_extension_info() has no row");
		is(outcome($session, 'int', 'SELECT 42'), 42, "$how: the server is there after calls of sslinfo");
	}
	is(outcome($session, 'int', 'SELECT num_nulls(inet_client_addr(), inet_client_port(), inet_server_addr(), inet_server_port())'), 4,
		"$how: a job has no addresses");
	is(outcome($session, 'int', 'SELECT num_nulls(client_addr, client_hostname, client_port) FROM pg_stat_activity WHERE pid = pg_backend_pid()'), 3,
		"$how: a job has no addresses in pg_stat_activity");
	is(outcome($session, 'bigint', 'SELECT count(*) FROM pg_stat_ssl FULL JOIN pg_stat_gssapi USING (pid) WHERE pid = pg_backend_pid()'), 0,
		"$how: a job has no row about encryption");

	# --- settings of a connection ---

	for my $name (qw(tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count tcp_user_timeout))
	{
		my $offset = -s $node->logfile;
		is(outcome($session, 'text', "SET $name = 7; SHOW $name"), 0, "$how: $name is 0, as where there is no TCP");
		unlike(slurp_file($node->logfile, $offset), qr/getsockopt|setsockopt/, "$how: SHOW $name does not ask the socket");
	}
	# the server would look whether the client is still there, were there a command of one
	is(outcome($session, 'bool', 'SELECT pg_sleep(0.2) IS NULL'), 'f', "$how: client_connection_check_interval is no trouble to a job");
	like(outcome($session, 'text', 'COPY pg_class FROM STDIN'), qr/0A000: COPY FROM STDIN/, "$how: COPY FROM STDIN is refused");

	# --- the log's prefix ---

	my $guest = session($node, extra => [ '-U', 'guest' ]);
	value($guest, "SET application_name = 'till'");
	for my $round (1 .. 2)
	{
		my $offset = -s $node->logfile;
		like(outcome($guest, 'int', 'SELECT 1 / 0'), qr/division by zero/, "$how: a job fails, round $round");
		ok($node->log_contains(qr/^\[\d+\] to till of guest in postgres at <> <>: STATEMENT:  SELECT 1 \/ 0$/m, $offset),
			"$how: the log says for whom the failed job ran, round $round") or diag(slurp_file($node->logfile, $offset));
	}
	$guest->quit;
}

$session->quit;
nothing_left($node, 'in the end');
healthy($node);
$node->stop;
done_testing();
