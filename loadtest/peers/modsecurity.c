/*
 * Asks libmodsecurity 3 with the OWASP Core Rule Set about requests, one after the other, in one thread.
 *
 *   modsecurity LEVEL SETUP RULES
 *
 * LEVEL is the paranoia level (1 to 4), SETUP the file crs-setup.conf, RULES the folder of the rules.
 *
 * Standard input: requests, each a row of fields. A field is its length (32 bits, little end first) and its bytes:
 * method, URI, then a number (32 bits) of headers and for each its name and value, then the body; no body is an empty
 * one. A method without a byte is no request but asks that all answers so far be written.
 *
 * Standard output: for each request a line `SCORE NANOSECONDS`. SCORE is the inbound anomaly score where it reached the
 * threshold of the rules (5 as they ship) and 0 where it did not; NANOSECONDS is the processor time from the beginning
 * of the transaction to its end, without reading the fields.
 *
 * The answers of libmodsecurity's debug and audit logs are off, and no rule that looks anything up in the network is on.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

#define FIELD_MAX (16u << 20)
#define HEADERS_MAX 256u

struct field {
    uint32_t length;
    uint32_t room;
    char *bytes; /* with a zero after the last */
};

struct request {
    struct field method;
    struct field uri;
    uint32_t headers;
    struct field names[HEADERS_MAX];
    struct field values[HEADERS_MAX];
    struct field body;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "modsecurity: %s: %s\n", what, why);
    exit(2);
}

/* Reads a number. Answers 0 where the input ends before it. */
static int number(uint32_t *read)
{
    unsigned char bytes[4];
    size_t got = fread(bytes, 1, sizeof bytes, stdin);
    if (got == 0 && feof(stdin))
        return 0;
    if (got != sizeof bytes)
        fail("input", "ends inside a number");
    *read = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return 1;
}

static int field(struct field *read)
{
    uint32_t length;
    if (!number(&length))
        return 0;
    if (length > FIELD_MAX)
        fail("input", "a field is too long");
    if (length + 1 > read->room) {
        read->bytes = realloc(read->bytes, length + 1);
        if (read->bytes == NULL)
            fail("memory", strerror(errno));
        read->room = length + 1;
    }
    if (fread(read->bytes, 1, length, stdin) != length)
        fail("input", "ends inside a field");
    read->bytes[length] = 0;
    read->length = length;
    return 1;
}

static void must(int read)
{
    if (!read)
        fail("input", "ends inside a request");
}

static int64_t processor_time(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        fail("clock", strerror(errno));
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void no_log(void *data, const void *message)
{
    (void)data;
    (void)message;
}

static RulesSet *rules(const char *level, const char *setup, const char *folder)
{
    /* What modsecurity.conf-recommended sets for the reading of bodies, without its own denials: only the score of the
       Core Rule Set counts. Removed are rules that ask for headers which rows made from payloads, and logs, never have. */
    static const char *form =
        "SecRuleEngine On\n"
        "SecRequestBodyAccess On\n"
        "SecRequestBodyLimit 13107200\n"
        "SecRequestBodyNoFilesLimit 13107200\n"
        "SecResponseBodyAccess Off\n"
        "SecAuditEngine Off\n"
        "SecRule REQUEST_HEADERS:Content-Type \"(?:application(?:/soap\\+|/)|text/)xml\" "
        "\"id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML\"\n"
        "SecRule REQUEST_HEADERS:Content-Type \"^application/json\" "
        "\"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON\"\n"
        "Include %s\n"
        "SecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=%s\"\n"
        "Include %s/*.conf\n"
        "SecRuleRemoveById 920280 920300 920320 920340 920450\n";
    char text[8192];
    const char *error = NULL;
    RulesSet *made = msc_create_rules_set();
    if ((size_t)snprintf(text, sizeof text, form, setup, level, folder) >= sizeof text)
        fail("rules", "a path is too long");
    if (msc_rules_add(made, text, &error) < 0)
        fail("rules", error == NULL ? "not read" : error);
    return made;
}

/* The score of the last intervention, if the transaction has one. */
static long intervened(Transaction *transaction)
{
    ModSecurityIntervention found = {200, 0, NULL, NULL, 0};
    long score = 0;
    if (msc_intervention(transaction, &found) != 0 && found.disruptive) {
        const char *total = found.log == NULL ? NULL : strstr(found.log, "(Total Score: ");
        if (total == NULL)
            fail("a rule denied by itself", found.log == NULL ? "" : found.log);
        score = strtol(total + strlen("(Total Score: "), NULL, 10);
    }
    free(found.url);
    free(found.log);
    return score;
}

static long ask(ModSecurity *engine, RulesSet *set, const struct request *request)
{
    long score;
    Transaction *transaction = msc_new_transaction(engine, set, NULL);
    msc_process_connection(transaction, "203.0.113.7", 40000, "192.0.2.1", 80);
    msc_process_uri(transaction, request->uri.bytes, request->method.bytes, "1.1");
    for (uint32_t at = 0; at < request->headers; at++)
        msc_add_n_request_header(transaction, (const unsigned char *)request->names[at].bytes,
                                 request->names[at].length, (const unsigned char *)request->values[at].bytes,
                                 request->values[at].length);
    msc_process_request_headers(transaction);
    score = intervened(transaction);
    if (score == 0) {
        if (request->body.length > 0)
            msc_append_request_body(transaction, (const unsigned char *)request->body.bytes, request->body.length);
        msc_process_request_body(transaction);
        score = intervened(transaction);
    }
    msc_transaction_cleanup(transaction);
    return score;
}

int main(int count, char **arguments)
{
    static struct request request;
    ModSecurity *engine;
    RulesSet *set;
    if (count != 4)
        fail("usage", "modsecurity LEVEL SETUP RULES");
    engine = msc_init();
    msc_set_log_cb(engine, no_log);
    set = rules(arguments[1], arguments[2], arguments[3]);
    while (field(&request.method)) {
        int64_t begun;
        long score;
        if (request.method.length == 0) {
            if (fflush(stdout) != 0)
                fail("output", strerror(errno));
            continue;
        }
        must(field(&request.uri));
        must(number(&request.headers));
        if (request.headers > HEADERS_MAX)
            fail("input", "more than 256 headers");
        for (uint32_t at = 0; at < request.headers; at++) {
            must(field(&request.names[at]));
            must(field(&request.values[at]));
        }
        must(field(&request.body));
        begun = processor_time();
        score = ask(engine, set, &request);
        printf("%ld %lld\n", score, (long long)(processor_time() - begun));
    }
    msc_rules_cleanup(set);
    msc_cleanup(engine);
    return fflush(stdout) == 0 ? 0 : 2;
}
