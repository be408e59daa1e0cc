SELECT r.x FROM pg_background_launch_v2('INSERT INTO bench.written VALUES (1)') h, pg_background_result_v2(h.pid, h.cookie) AS r (x text);
