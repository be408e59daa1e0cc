/*
 * frontend.c: a worker has no client, but its job's messages have a reader,
 * the launcher; and a job's functions may take a client for granted.
 *
 * whereToSendOutput must be DestRemote, or ereport() drops NOTICEs before
 * anybody sees them.  The server would then write protocol messages; the
 * methods below throw these away.  The message itself is taken from an error
 * context callback, the outermost one, so that all lines of context are there
 * already.
 *
 * The protocol message that is thrown away is converted to client_encoding
 * first, and that conversion may fail (a LATIN1 client's job says '€').  So
 * the conversion is switched off from the callback to the end of the message;
 * client_encoding keeps its value, and the job's own uses of it (COPY) work.
 */
#include "shim.h"
#include "compat.h"

#include <sys/un.h>

static pgbg_message_callback message_callback;
static int	saved_encoding = -1;

/* Idempotent: also called before each message, should one have ended in an ERROR halfway. */
static void
restore_client_encoding(void)
{
	if (saved_encoding >= 0)
	{
		/* cannot fail: this encoding was in use before */
		(void) SetClientEncoding(saved_encoding);
		saved_encoding = -1;
	}
}

static void
context_callback(void *arg)
{
	MemoryContext context;
	MemoryContext old;
	ErrorData  *message;

	(void) arg;
	restore_client_encoding();
	/* nothing may allocate there, and what is said there is of no use to a launcher */
	if (CritSectionCount > 0)
		return;

	context = AllocSetContextCreate(ErrorContext, "pg_background message", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	message = CopyErrorData();
	MemoryContextSwitchTo(old);
	if (message->output_to_client && message->elevel != ERROR)
	{
		saved_encoding = pg_get_client_encoding();
		(void) SetClientEncoding(GetDatabaseEncoding());
	}
	if ((message->output_to_client && message->elevel < ERROR) || message->elevel > ERROR)
		message_callback(message);
	MemoryContextDelete(context);
}

static void
reset(void)
{
}

static int
flush(void)
{
	return 0;
}

static bool
send_pending(void)
{
	return false;
}

static int
put(char type, const char *s, size_t len)
{
	(void) type;
	(void) s;
	(void) len;
	restore_client_encoding();
	return 0;
}

static void
put_noblock(char type, const char *s, size_t len)
{
	(void) put(type, s, len);
}

static const PQcommMethods methods = {
	.comm_reset = reset,
	.flush = flush,
	.flush_if_writable = flush,
	.is_send_pending = send_pending,
	.putmessage = put,
	.putmessage_noblock = put_noblock,
};

/* Once per process, before the first message that is to be seen. */
void
pgbg_capture_messages(pgbg_message_callback callback)
{
	static ErrorContextCallback outermost;

	message_callback = callback;
	outermost.callback = context_callback;
	outermost.arg = NULL;
	outermost.previous = error_context_stack;
	error_context_stack = &outermost;
	PqCommMethods = &methods;
	whereToSendOutput = DestRemote;
}

/*
 * Functions and the log look for a connection where whereToSendOutput says
 * that there is one; contrib/sslinfo crashes without.  So there is one: by no
 * network, without encryption, and nobody reads or writes its socket, as the
 * methods above throw away what is said, and COPY FROM STDIN is refused.
 *
 * Once per process, in a transaction: the connection is made, so that nobody
 * authenticates this client any more, nor arms the timer that looks whether
 * it is still there.
 */
void
pgbg_feign_client(void)
{
	static Port port;			/* the rest is zero: SSL, GSSAPI, SCRAM keys and HBA line, which are not used */
	const char *role = GetUserNameFromId(GetAuthenticatedUserId(), true);
	const char *database = get_database_name(MyDatabaseId);

	port.sock = PGINVALID_SOCKET;
	port.proto = PG_PROTOCOL_LATEST;
	/* the server asks the socket of any other family for its TCP settings */
	port.laddr.addr.ss_family = port.raddr.addr.ss_family = AF_UNIX;
	port.laddr.salen = port.raddr.salen = offsetof(struct sockaddr_un, sun_path);
#if PGBG_HAVE_LOCAL_HOST
	strlcpy(port.local_host, "[none]", sizeof(port.local_host));
#endif
	/* never NULL in a session; empty where there is nothing to say */
	port.remote_host = port.remote_port = "";
	port.user_name = MemoryContextStrdup(TopMemoryContext, role ? role : "");
	port.database_name = MemoryContextStrdup(TopMemoryContext, database ? database : "");
	FrontendProtocol = port.proto;
	MyProcPort = &port;
}
