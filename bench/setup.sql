-- What every part of the benchmark needs.
SELECT count(*) > 0 AS has_dblink FROM pg_available_extensions WHERE name = 'dblink' \gset
\if :has_dblink
CREATE EXTENSION dblink;
\endif
CREATE EXTENSION pg_background;
CREATE SCHEMA bench;

-- How another session of this server is reached.
CREATE FUNCTION bench.conninfo() RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT format('host=%s port=%s user=%s dbname=%s', current_setting('unix_socket_directories'), current_setting('port'),
                 current_user, current_database()) $$;

CREATE TABLE bench.written (n int);

-- The middle of a ratio's repetitions, and their range.
CREATE FUNCTION bench.middle(float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest($1) x $$;
CREATE FUNCTION bench.ratio(float8[]) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT format('%s (%s–%s)', round(bench.middle($1)::numeric, 2), round(min(x)::numeric, 2), round(max(x)::numeric, 2))
   FROM unnest($1) x HAVING count(x) > 0 $$;
