/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages are JSON objects, each ended by a zero byte: ours go to file
 * descriptor 3 of the child, its own come from 4. */
#include "tests/unit/chromium.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/json.h"

enum {
    LIMIT_MS = 120000, /* of one answer: the machine may be busy */
    PIECE = 65536
};

bool xl_chromium_exists(void)
{
    const char *path = getenv("PATH");
    char name[4096];
    for (; path && *path; path += *path == ':') {
        size_t n = strcspn(path, ":");
        snprintf(name, sizeof name, "%.*s/chromium", (int)n, path);
        if (access(name, X_OK) == 0)
            return true;
        path += n;
    }
    return false;
}

/* -- messages ------------------------------------------------------------- */

static void note_event(struct xl_chromium *c, const cJSON *message)
{
    const char *method = xl_json_text(message, "method");
    const cJSON *params = xl_json_member(message, "params");
    if (strcmp(method, "Page.loadEventFired") == 0)
        c->is_loaded = true;
    if (strcmp(method, "Runtime.exceptionThrown") == 0 ||
        (strcmp(method, "Log.entryAdded") == 0 &&
         strcmp(xl_json_text(xl_json_member(params, "entry"), "level"),
                "error") == 0) ||
        (strcmp(method, "Runtime.consoleAPICalled") == 0 &&
         strcmp(xl_json_text(params, "type"), "error") == 0))
        c->errors++;
    if (strcmp(method, "Network.requestWillBeSent") == 0) {
        const char *url =
            xl_json_text(xl_json_member(params, "request"), "url");
        c->requests +=
            strncmp(url, "file:", 5) != 0 && strncmp(url, "data:", 5) != 0;
    }
}

/* The next message; NULL when the pipe is at its end or too slow. */
static cJSON *next_message(struct xl_chromium *c)
{
    struct pollfd ready = { .fd = c->from, .events = POLLIN };
    char *end;
    while (!(end = memchr(c->in.data, '\0', c->in.len))) {
        char piece[PIECE];
        if (poll(&ready, 1, LIMIT_MS) <= 0)
            return NULL;
        ssize_t got = read(c->from, piece, sizeof piece);
        if (got <= 0)
            return NULL;
        xl_buf_add(&c->in, piece, (size_t)got);
        if (!xl_buf_ok(&c->in))
            return NULL;
    }
    cJSON *message = cJSON_Parse(c->in.data);
    size_t used = (size_t)(end - c->in.data) + 1;
    memmove(c->in.data, c->in.data + used, c->in.len - used + 1);
    c->in.len -= used;
    return message;
}

static bool send_message(struct xl_chromium *c, const char *method,
                         cJSON *params)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "id", ++c->last_id);
    cJSON_AddStringToObject(root, "method", method);
    if (c->session[0])
        cJSON_AddStringToObject(root, "sessionId", c->session);
    cJSON_AddItemToObject(root, "params",
                          params ? params : cJSON_CreateObject());
    char *text = cJSON_PrintUnformatted(root);
    size_t n = text ? strlen(text) + 1 : 0;
    bool is_sent = n && write(c->to, text, n) == (ssize_t)n;
    cJSON_free(text);
    cJSON_Delete(root);
    return is_sent;
}

/* Takes params. The whole answer, or NULL; the caller deletes it. */
static cJSON *call(struct xl_chromium *c, const char *method, cJSON *params)
{
    cJSON *message = NULL;
    if (c->is_broken || !send_message(c, method, params))
        return NULL;
    while ((message = next_message(c)) != NULL) {
        const cJSON *id = xl_json_member(message, "id");
        if (cJSON_IsNumber(id) && (int)id->valuedouble == c->last_id)
            return message;
        note_event(c, message);
        cJSON_Delete(message);
    }
    c->is_broken = true;
    return NULL;
}

static bool does(struct xl_chromium *c, const char *method, cJSON *params)
{
    cJSON *answer = call(c, method, params);
    bool ok = answer && xl_json_member(answer, "result");
    cJSON_Delete(answer);
    return ok;
}

/* -- the child ------------------------------------------------------------ */

static void become_chromium(int in, int out, const char *profile)
{
    char data_dir[512];
    int null = open("/dev/null", O_RDWR);
    snprintf(data_dir, sizeof data_dir, "--user-data-dir=%s", profile);
    /* Above 4 first: the pipes may have 3 and 4 themselves. */
    int high_in = fcntl(in, F_DUPFD, 10), high_out = fcntl(out, F_DUPFD, 10);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
    }
    dup2(high_in, 3);
    dup2(high_out, 4);
    execlp("chromium", "chromium", "--headless=new", "--no-sandbox",
           "--disable-gpu", "--disable-dev-shm-usage",
           "--disable-background-networking", "--no-first-run",
           "--hide-scrollbars", "--remote-debugging-pipe", data_dir,
           "about:blank", (char *)NULL);
    _exit(127);
}

static bool attach(struct xl_chromium *c)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "url", "about:blank");
    cJSON *made = call(c, "Target.createTarget", params);
    params = cJSON_CreateObject();
    cJSON_AddStringToObject(
        params, "targetId",
        xl_json_text(xl_json_member(made, "result"), "targetId"));
    cJSON_AddBoolToObject(params, "flatten", true);
    cJSON_Delete(made);
    cJSON *attached = call(c, "Target.attachToTarget", params);
    snprintf(c->session, sizeof c->session, "%s",
             xl_json_text(xl_json_member(attached, "result"), "sessionId"));
    cJSON_Delete(attached);
    return c->session[0] && does(c, "Page.enable", NULL) &&
           does(c, "Runtime.enable", NULL) && does(c, "Log.enable", NULL) &&
           does(c, "Network.enable", NULL);
}

bool xl_chromium_open(struct xl_chromium *c, const char *profile)
{
    int to[2], from[2];
    *c = (struct xl_chromium){ .to = -1, .from = -1 };
    xl_buf_init(&c->in, 0);
    if (pipe(to) != 0)
        return false;
    if (pipe(from) != 0) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    c->pid = fork();
    if (c->pid == 0) {
        close(to[1]);
        close(from[0]);
        become_chromium(to[0], from[1], profile);
    }
    close(to[0]);
    close(from[1]);
    c->to = to[1];
    c->from = from[0];
    return c->pid > 0 && attach(c);
}

void xl_chromium_close(struct xl_chromium *c)
{
    c->session[0] = '\0';
    if (c->pid > 0) {
        cJSON_Delete(call(c, "Browser.close", NULL));
        if (c->is_broken)
            kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    if (c->to >= 0)
        close(c->to);
    if (c->from >= 0)
        close(c->from);
    xl_buf_release(&c->in);
}

/* -- pages ---------------------------------------------------------------- */

bool xl_chromium_show(struct xl_chromium *c, const char *path, int width,
                      int height)
{
    char url[1024];
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "width", width);
    cJSON_AddNumberToObject(params, "height", height);
    cJSON_AddNumberToObject(params, "deviceScaleFactor", 1);
    cJSON_AddBoolToObject(params, "mobile", width < 600);
    if (!does(c, "Emulation.setDeviceMetricsOverride", params))
        return false;
    snprintf(url, sizeof url, "file://%s", path);
    params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "url", url);
    c->is_loaded = false;
    c->errors = 0;
    c->requests = 0;
    if (!does(c, "Page.navigate", params))
        return false;
    for (cJSON *message; !c->is_loaded; cJSON_Delete(message)) {
        message = next_message(c);
        if (!message) {
            c->is_broken = true;
            return false;
        }
        note_event(c, message);
    }
    return true;
}

bool xl_chromium_media(struct xl_chromium *c, const char *media,
                       const char *scheme)
{
    cJSON *params = cJSON_CreateObject(), *feature = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "media", media);
    cJSON_AddStringToObject(feature, "name", "prefers-color-scheme");
    cJSON_AddStringToObject(feature, "value", scheme);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "features"), feature);
    return does(c, "Emulation.setEmulatedMedia", params);
}

bool xl_chromium_scripts(struct xl_chromium *c, bool run)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddBoolToObject(params, "value", !run);
    return does(c, "Emulation.setScriptExecutionDisabled", params);
}

double xl_chromium_number(struct xl_chromium *c, const char *expression)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "expression", expression);
    cJSON_AddBoolToObject(params, "returnByValue", true);
    cJSON_AddBoolToObject(params, "awaitPromise", true);
    cJSON *answer = call(c, "Runtime.evaluate", params);
    const cJSON *value = xl_json_member(
        xl_json_member(xl_json_member(answer, "result"), "result"), "value");
    double number = (double)NAN;
    if (cJSON_IsNumber(value))
        number = value->valuedouble;
    else if (cJSON_IsBool(value))
        number = cJSON_IsTrue(value);
    cJSON_Delete(answer);
    return number;
}
