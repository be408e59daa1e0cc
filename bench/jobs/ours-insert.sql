SELECT pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie) FROM pg_background_submit_v2('INSERT INTO bench.written VALUES (1)');
