// node-postgres. It sends all parameters as text without a type; a test is a function whose key says what it tests.
'use strict'
const assert = require('node:assert')
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')

const PATIENCE = 60000 // ms that a single wait may take on a busy machine
const settings = { application_name: 'node', options: `-c statement_timeout=${PATIENCE}` }

async function connect() {
  const client = new Client(settings)
  await client.connect()
  return client
}

async function one(client, text, values, more) {
  const { rows } = await client.query({ text, values, ...more })
  const fields = rows.length ? Object.values(rows[0]) : []
  return fields.length === 1 ? fields[0] : fields
}

function within(promise, what) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), PATIENCE) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function waitUntil(client, text, values) {
  const end = Date.now() + PATIENCE
  while (!(await one(client, text, values))) {
    assert(Date.now() < end, `still not true: ${text}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

async function fails(promise) {
  try { await promise } catch (error) { return error }
  assert.fail('no error')
}

const tests = {
  async 'functions of v1, untyped parameters'(client) {
    const pid = await one(client, 'SELECT pg_background_launch($1, $2)', ['SELECT 42', 65536])
    assert.strictEqual(await one(client, 'SELECT n FROM pg_background_result($1) AS (n int)', [pid]), 42)
  },

  async 'functions of v2, untyped parameters'(client) {
    const [pid, cookie] = await one(client, 'SELECT * FROM pg_background_launch_v2($1, $2)', ['SELECT 7', 0])
    assert.strictEqual(typeof cookie, 'string') // an int8: no digit is lost
    assert.strictEqual(await one(client, 'SELECT pg_background_wait_v2_timeout($1, $2, $3)', [pid, cookie, PATIENCE]), true)
    assert.strictEqual(await one(client, 'SELECT n FROM pg_background_result_v2($1, $2) AS (n int)', [pid, cookie]), 7)
    const [pid2, cookie2] = await one(client, 'SELECT * FROM pg_background_submit_v2($1)', ['SELECT pg_sleep(600)'])
    await client.query('SELECT pg_background_cancel_v2($1, $2)', [pid2, cookie2])
    await client.query('SELECT pg_background_wait_v2($1, $2)', [pid2, cookie2])
    await client.query('SELECT pg_background_detach_v2($1, $2)', [pid2, cookie2])
  },

  async 'functions of 3.0, untyped parameters'(client) {
    const job = await one(client, 'SELECT pg_background_start($1, label => $2, timeout => $3, settings => $4)',
      ["SELECT current_setting('work_mem') AS m", 'node', '1 min', { work_mem: '7MB' }])
    assert.match(job, /^\(\d+,-?\d+\)$/)
    assert.strictEqual(await one(client, 'SELECT pg_background_await($1, $2)', [job, '1 min']), true)
    assert.strictEqual(await one(client, 'SELECT pg_background_await_all($1)', [[job]]), true)
    assert.strictEqual(await one(client, 'SELECT state FROM pg_background_outcome($1)', [job]), 'stopped')
    assert.strictEqual(await one(client, 'SELECT m FROM pg_background_rows($1) AS (m text)', [job]), '7MB')
    assert.deepStrictEqual(await one(client, 'SELECT pg_background_query_json($1)', ['SELECT 1 AS a']), { a: 1 })
    assert.strictEqual(await one(client, 'SELECT pg_background_exec($1, ROW($2::int, $3::text))',
      ['SELECT $1, $2', 1, "it's"]), 'SELECT 1')
    const { rows } = await client.query('SELECT ordinal, state FROM pg_background_map($1, parallel => $2)', [['SELECT 1', 'SELECT 1 / 0'], 2])
    assert.deepStrictEqual(rows, [{ ordinal: 1, state: 'stopped' }, { ordinal: 2, state: 'error' }])
    const joined = await one(client, 'SELECT pg_background_start($1)', ['SELECT 9'])
    await client.query('CALL pg_background_join($1, $2)', [joined, '1 min'])
    assert.strictEqual(await one(client, 'SELECT n FROM pg_background_rows($1) AS (n int)', [joined]), 9)
    const error = await fails(client.query('SELECT pg_background_exec($1, ROW($2))', ['SELECT $1', 'no type']))
    assert.strictEqual(error.code, '42P18')
  },

  async 'a prepared statement, executed 100 times'(client) {
    for (let n = 0; n < 100; n++) {
      assert.strictEqual(await one(client, "SELECT n FROM pg_background_query('SELECT $1 * 2', ROW($1::int)) AS (n int)", [n], { name: 'twice' }), 2 * n)
    }
    for (let n = 0; n < 50; n++) {
      const job = await one(client, 'SELECT pg_background_start($1)', [`SELECT ${n}`], { name: 'start' })
      assert.strictEqual(await one(client, 'SELECT n FROM pg_background_rows($1) AS (n int)', [job], { name: 'rows' }), n)
    }
    assert.strictEqual(await one(client, 'SELECT count(*)::int FROM pg_prepared_statements'), 3)
  },

  async 'a pool, forty calls at a time'() {
    const pool = new Pool({ ...settings, max: 4 })
    try {
      const calls = Array.from({ length: 40 }, (_, n) => one(pool, "SELECT n FROM pg_background_query('SELECT $1', ROW($1::int)) AS (n int)", [n]))
      assert.deepStrictEqual(await Promise.all(calls), Array.from({ length: 40 }, (_, n) => n))
    } finally { await pool.end() }
  },

  async 'a cancel request of the protocol while in rows, await, exec'(client) {
    const other = await connect()
    try {
      for (const text of ["SELECT * FROM pg_background_rows(pg_background_start('SELECT pg_sleep(600)', label => 'node cancel')) AS (s text)",
        "SELECT pg_background_await(pg_background_start('SELECT pg_sleep(600)', label => 'node cancel'))",
        "SELECT pg_background_exec('SELECT pg_sleep(600)', label => 'node cancel')"]) {
        const waiting = fails(client.query(text))
        await waitUntil(other, `SELECT EXISTS (SELECT FROM pg_stat_background b JOIN pg_stat_activity a ON a.pid = b.launcher_pid
                                WHERE b.label = 'node cancel' AND b.state = 'running' AND a.wait_event_type = 'Extension')`)
        // the request of the protocol, on a connection of its own
        const canceler = new Client(settings)
        canceler.connection.on('error', () => {}) // the server closes it without a word
        const closed = new Promise((resolve) => canceler.connection.once('end', resolve))
        canceler.connection.connect(canceler.host.startsWith('/') ? `${canceler.host}/.s.PGSQL.${canceler.port}` : canceler.port,
          canceler.host.startsWith('/') ? undefined : canceler.host)
        canceler.connection.on('connect', () => canceler.connection.cancel(client.processID, client.secretKey))
        assert.strictEqual((await within(waiting, 'a canceled wait')).code, '57014')
        // The server signals the session's process, then its group, and closes: the second one would cancel the next statement.
        await within(closed, 'the end of the cancel request')
        await client.query("SELECT pg_background_stop_all('node cancel'), pg_background_forget_all('node cancel')")
        await waitUntil(other, "SELECT NOT EXISTS (SELECT FROM pg_stat_background WHERE label = 'node cancel')")
      }
    } finally { await other.end() }
    assert.strictEqual(await one(client, "SELECT pg_background_exec('SELECT 1')"), 'SELECT 1')
  },

  async "a job's messages arrive as notices"(client) {
    const got = []
    client.on('notice', n => got.push([n.severity, n.message, n.detail, n.hint, n.code]))
    await client.query(`SELECT pg_background_exec($1)`, [`DO $$ BEGIN RAISE NOTICE 'one' USING DETAIL = 'more', HINT = 'do', ERRCODE = 'P0042';
      RAISE WARNING 'two'; END $$`])
    assert.deepStrictEqual(got, [['NOTICE', 'one', 'more', 'do', 'P0042'], ['WARNING', 'two', undefined, undefined, '01000']])
  },

  async "NOTIFY at a job's end"(client) {
    const heard = new Promise(resolve => client.once('notification', resolve))
    await client.query('LISTEN node_done')
    const job = await one(client, 'SELECT pg_background_start($1, results => false, notify => $2)', ['SELECT 1 / 0', 'node_done'])
    const { channel, payload } = await within(heard, 'the notification')
    assert.strictEqual(channel, 'node_done')
    // a cookie may be greater than 2^53, which JSON.parse would round: take it from the text
    const [, pid, cookie] = payload.match(/"pid": (\d+), "cookie": (-?\d+)/)
    assert.strictEqual(`(${pid},${cookie})`, job)
    assert.deepStrictEqual([JSON.parse(payload).state, JSON.parse(payload).sqlstate], ['error', '22012'])
    assert.strictEqual(await one(client, 'SELECT sqlstate FROM pg_background_outcome($1)', [job]), '22012')
  },

  async 'errors with all fields'(client) {
    const error = await fails(client.query('SELECT pg_background_exec($1)', [`DO $$ BEGIN RAISE 'no way' USING ERRCODE = 'P4711', DETAIL = 'd',
      HINT = 'h', SCHEMA = 's', TABLE = 't', COLUMN = 'c', DATATYPE = 'y', CONSTRAINT = 'k'; END $$`]))
    assert.deepStrictEqual([error.severity, error.code, error.message, error.detail, error.hint, error.schema, error.table, error.column, error.dataType, error.constraint],
      ['ERROR', 'P4711', 'no way', 'd', 'h', 's', 't', 'c', 'y', 'k'])
    assert.match(error.where, /PL\/pgSQL function.*\nbackground worker, pid \d+/)
    const syntax = await fails(client.query('SELECT pg_background_exec($1)', ['SELECT 1 +']))
    assert.deepStrictEqual([syntax.code, syntax.internalQuery, syntax.internalPosition], ['42601', 'SELECT 1 +', '11'])
  },

  async 'binary results'(client) {
    const fields = await one(client, `SELECT a, b, c, d FROM pg_background_query('SELECT 1, true, ''x''::text, ''2026-11-29''::timestamptz')
      AS (a int, b bool, c text, d timestamptz)`, [], { binary: true })
    assert.deepStrictEqual([fields[0], fields[1], fields[2], fields[3] instanceof Date], [1, true, 'x', true])
  },

  async 'a cursor over pg_background_query, read in portions'(client) {
    const cursor = client.query(new Cursor("SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, $1) AS i', ROW($1::int)) AS (i int)", [5000]))
    let sum = 0
    for (let rows; (rows = await cursor.read(700)).length;) { for (const { i } of rows) sum += i }
    await cursor.close()
    assert.strictEqual(sum, 12502500)
    // one that is closed early
    const early = client.query(new Cursor("SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, 5000) AS i') AS (i int)"))
    assert.strictEqual((await early.read(1)).length, 1)
    await early.close()
    assert.strictEqual(await one(client, 'SELECT workers_active FROM pg_background_stats_v2()'), 0)
  },

  async 'DISCARD ALL leaves tracked jobs as they are'(client) {
    const job = await one(client, "SELECT pg_background_start('SELECT 5')")
    await client.query('DISCARD ALL')
    assert.strictEqual(await one(client, 'SELECT n FROM pg_background_rows($1) AS (n int)', [job]), 5)
  },
}

async function main() {
  // The clock that ends the program rather than let it hang.
  setTimeout(() => { console.log('not ok 99 - node-postgres: not over after 150 seconds'); process.exit(1) }, 150000).unref()
  let number = 0
  let failed = 0
  for (const [name, test] of Object.entries(tests)) {
    number++
    let client
    try {
      client = await connect()
      await within(test(client), name)
      console.log(`ok ${number} - node-postgres: ${name}`)
    } catch (error) {
      failed++
      console.log(`not ok ${number} - node-postgres: ${name}\n${String(error.stack).replace(/^/gm, '    ')}`)
    } finally {
      if (client) await client.end().catch(() => {})
    }
  }
  process.exit(failed ? 1 : 0)
}

main()
