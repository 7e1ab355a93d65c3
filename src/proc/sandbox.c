/* proc/sandbox.c - see sandbox.h. The table `rows` is what there is to review. */
#include "proc/sandbox.h"

#include "base/log.h"
#include "config/paths.h"
#include "proc/calls.h"
#include "proc/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    PATH_ROOM = 4096,
    SPARE_FDS = 1024,
    QUEUE_FDS = 65536 + SPARE_FDS,
    DELIVERY_FDS = 4096 + 20000 + SPARE_FDS
}; /* segments, connections */

/* The directory that becomes "/" for a role, when there are the rights to do so. */
enum root {
    ROOT_STATE =
        0,      /* state-dir: SQLite wants paths; Landlock leaves the role its own part */
    ROOT_EMPTY, /* state-dir/empty: nothing to open */
    ROOT_BOTH, /* state-dir if the Maildirs are below it too, else none: Landlock holds */
    ROOT_MAIL, /* above all Maildirs; with LMTP where its socket is, or nothing */
};

struct row {
    enum root root;
    bool root_early; /* before open(), so that files it makes belong to the role's user */
    rlim_t fds;      /* descriptors beside one a session (smtpd) */
    bool fd_a_session;
    const char *own; /* directory below state-dir that it may use; NULL: none */
    bool mail;       /* it may use the mail root, and connect for LMTP */
    bool quotas;     /* it may use files below the mail root, beside its own directory */
    bool oauth;      /* asks about tokens: HTTP to one port, where that is configured */
    bool dns;        /* it may ask the servers of the dns settings */
    bool filters; /* it connects to rspamd.server and milter.server, where they are set */
    bool
        hooks; /* posts to webhook.ports of any server, and asks the DNS for it, where they are set */
    bool
        smtp; /* it connects to delivery.smtp-port of any server, and for MTA-STS policies to
                   * delivery.mta-sts-port; it may use STATE_TLS, which it has open, beside the rest */
    uint64_t access; /* to that directory */
    unsigned calls;  /* sets of system calls, proc/calls.h */
};

/* clang-format off */
static const struct row rows[ROLE_COUNT] = {
    /* Parses what strangers send: sockets that it accepts from, descriptors that the queue
     * hands it. It opens nothing, connects to nobody but DNS servers and filters, starts no program. */
    [ROLE_smtpd] = {
        .root = ROOT_EMPTY, .root_early = false, .fds = SPARE_FDS, .fd_a_session = true,
        .own = NULL, .mail = false, .access = 0, .dns = true,
        .filters = true,
        .calls = CALLS_BASE | CALLS_ACCEPT | CALLS_WRITE_FD | CALLS_DNS,
    },
    /* Parses what smtpd asks and what the command line says; one SQLite file, and the quota
     * files of Maildirs. */
    [ROLE_directory] = {
        .root = ROOT_BOTH, .root_early = true, .fds = SPARE_FDS, .fd_a_session = false,
        .own = STATE_DIRECTORY, .mail = false, .quotas = true, .access = LANDLOCK_FILES,
        .calls = CALLS_BASE | CALLS_ACCEPT | CALLS_WRITE_FD | CALLS_FILES | CALLS_CONNECT | CALLS_HTTP,
        .oauth = true,
    },
    /* Reads envelopes that smtpd wrote; spool directory, renames into spool/bad. */
    [ROLE_queue] = {
        .root = ROOT_STATE, .root_early = true, .fds = QUEUE_FDS, .fd_a_session = false,
        .own = STATE_SPOOL, .mail = false, .access = LANDLOCK_FILES | LANDLOCK_TREES,
        .calls = CALLS_BASE | CALLS_ACCEPT | CALLS_WRITE_FD | CALLS_FILES,
    },
    /* Copies messages into Maildirs (made on demand) or speaks LMTP to one server; speaks SMTP to
     * any server. */
    [ROLE_delivery] = {
        .root = ROOT_MAIL, .root_early = true, .fds = DELIVERY_FDS, .fd_a_session = false,
        .own = NULL, .mail = true, .access = LANDLOCK_FILES | LANDLOCK_TREES, .dns = true,
        .smtp = true,
        .calls = CALLS_BASE | CALLS_WRITE_FD | CALLS_FILES | CALLS_CONNECT | CALLS_DNS | CALLS_HTTP,
    },
    /* Decodes records of all others; two SQLite files. With webhook.ports it posts events. */
    [ROLE_trace] = {
        .root = ROOT_STATE, .root_early = true, .fds = SPARE_FDS, .fd_a_session = false,
        .own = STATE_TRACE, .mail = false, .access = LANDLOCK_FILES, .dns = true, .hooks = true,
        .calls = CALLS_BASE | CALLS_WRITE_FD | CALLS_FILES | CALLS_CONNECT | CALLS_HTTP | CALLS_DNS,
    },
};
/* clang-format on */

static const struct row *row_of(enum role role)
{
    BUG_ON((unsigned)role >= ROLE_COUNT || role == ROLE_supervisor);
    return &rows[role];
}

enum mode { MODE_ON = 0, MODE_LOG, MODE_OFF };

static enum mode mode(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return MODE_OFF;
#endif
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||               \
    __has_feature(memory_sanitizer)
    return MODE_OFF;
#endif
#endif
    const char *said = getenv("POSTERN_SANDBOX");
    if (said != NULL && strcmp(said, "off") == 0) {
        return MODE_OFF;
    }
    return said != NULL && strcmp(said, "log") == 0 ? MODE_LOG : MODE_ON;
}

/* -- limits -- */

static void limit(enum role role, int what, const char *name, rlim_t wanted)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)what, &r) != 0) {
        fatal("getrlimit(%s): %s", name, strerror(errno));
    }
    rlim_t most = r.rlim_max < wanted ? r.rlim_max : wanted;
    struct rlimit set = {most, most};
    if (r.rlim_max < wanted) {
        /* root may raise it; otherwise the role does with what there is, and says so */
        struct rlimit raise = {wanted, wanted};
        if (setrlimit((__rlimit_resource_t)what, &raise) == 0) {
            return;
        }
        log_text(LOG_INFO, "limit",
                 "%s wants %s %llu, has %llu and works with that; to give it more: %s",
                 role_name(role), name, (unsigned long long)wanted,
                 (unsigned long long)most,
                 what == RLIMIT_NOFILE ? "ulimit -n, or LimitNOFILE= of its unit"
                                       : "raise the limit of who starts it");
    }
    if (setrlimit((__rlimit_resource_t)what, &set) != 0) {
        fatal("setrlimit(%s): %s", name, strerror(errno));
    }
}

void sandbox_limits(enum role role, const struct config *config)
{
    const struct row *row = row_of(role);
    /* The spare ones keep sessions from taking those that the channels need. */
    rlim_t a_session = 1U + (row->filters && config->rspamd_server[0] != '\0') +
                       (row->filters ? config->milter_server.n : 0);
    rlim_t fds = row->fds + (row->fd_a_session ? a_session * config->limits_sessions : 0);
    limit(role, RLIMIT_NOFILE, "descriptors", fds);
    if (mode() == MODE_ON) {
        limit(role, RLIMIT_CORE, "core", 0); /* keys, passwords and mail are in there */
    }
}

/* -- root directory and user -- */

static void cut_to_directory(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        fatal("'%s' is no absolute path", path);
    }
    slash[slash == path ? 1 : 0] = '\0';
}

static void format_path(char out[PATH_ROOM], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_ROOM, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_ROOM) {
        fatal("the path '%s/%s' is too long", dir, name);
    }
}

void sandbox_mail_root(const char *maildir, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%.*s", (int)strcspn(maildir, "%"), maildir);
    if (n < 0 || (size_t)n >= cap) {
        fatal("the path '%s' is too long", maildir);
    }
    cut_to_directory(out);
}

static const char *lmtp_socket(const struct config *config)
{
    static const char prefix[] = "unix:";
    return strncmp(config->delivery_lmtp, prefix, sizeof prefix - 1) == 0
               ? config->delivery_lmtp + sizeof prefix - 1
               : NULL;
}

/* Are the Maildirs ours, and all below state-dir? */
static bool mail_in_state(const struct config *config)
{
    char mail[PATH_ROOM];
    size_t n = strlen(config->state_dir);
    sandbox_mail_root(config->delivery_maildir, mail, sizeof mail);
    return strncmp(mail, config->state_dir, n) == 0 && mail[n] == '/';
}

static void root_of(enum root root, const struct config *config, char out[PATH_ROOM])
{
    const char *unix_path = lmtp_socket(config);
    if (root == ROOT_BOTH && config->delivery_lmtp[0] == '\0' && !mail_in_state(config)) {
        (void)snprintf(out, PATH_ROOM, "/");
    } else if (root == ROOT_STATE || root == ROOT_BOTH) {
        format_path(out, config->state_dir, ".");
        cut_to_directory(out);
    } else if (root == ROOT_EMPTY ||
               (config->delivery_lmtp[0] != '\0' && unix_path == NULL)) {
        format_path(out, config->state_dir, STATE_EMPTY);
    } else if (unix_path != NULL) {
        sandbox_mail_root(unix_path, out, PATH_ROOM);
    } else {
        sandbox_mail_root(config->delivery_maildir, out, PATH_ROOM);
    }
}

/* path as it is called under the new root; a path not below it stays, and will not be found. */
static char *below(const char *root, char *path)
{
    size_t n = strlen(root);
    if (path == NULL) {
        return NULL;
    }
    if (strcmp(root, path) == 0) {
        path = strdup("/");
        BUG_ON(path == NULL);
        return path;
    }
    return strncmp(path, root, n) == 0 && path[n] == '/' ? path + n : path;
}

static void reroot_list(struct config_list *list, const char *root)
{
    for (unsigned i = 0; i < list->n; i++) {
        list->item[i] = below(root, list->item[i]);
    }
}

static void reroot(struct config *seen, const char *root)
{
    const char *unix_path = lmtp_socket(seen);
    if (unix_path != NULL) {
        char *was = strdup(unix_path);
        char *is = NULL;
        BUG_ON(was == NULL || asprintf(&is, "unix:%s", below(root, was)) < 0);
        free(was);
        seen->delivery_lmtp = is;
    }
#define REROOT_PATH(field)  seen->field = below(root, seen->field);
#define REROOT_PATHS(field) reroot_list(&seen->field, root);
#define REROOT_DIR(field)   seen->field = below(root, seen->field);
#define REROOT_STR(field)
#define REROOT_DOMAIN(field)
#define REROOT_ENDPOINT(field)
#define REROOT_INT(field)
#define REROOT_SIZE(field)
#define REROOT_TIME(field)
#define REROOT_BOOL(field)
#define REROOT_ENUM(field)
#define REROOT_TIMES(field)
#define REROOT_NETWORKS(field)
#define REROOT_RESOLVERS(field)
#define REROOT_ZONES(field)
#define REROOT_LISTS(field)
#define REROOT_NAMES(field)
#define REROOT_WAITS(field)
#define REROOT_EXCEPTIONS(field)
#define REROOT_MILTERS(field)
#define REROOT_LIMIT(field)
#define REROOT_LIMITS(field)
#define REROOT_ADDRESSES(field)
#define REROOT_DOMAINS(field)
#define REROOT_RATES(field)
#define REROOT_WORDS(field)
#define X(section, name, field, type, def, min, max, words, help) REROOT_##type(field)
    CONFIG_SETTINGS(X)
#undef X
}

bool sandbox_root_early(enum role role)
{
    return row_of(role)->root_early;
}

/* STATE_TLS, which is not below the role's new root; 0: none. */
static int tls_directory;

void sandbox_root(enum role role, const struct sandbox_user *user, struct config *seen)
{
    char root[PATH_ROOM];
    if (row_of(role)->smtp) {
        format_path(root, seen->state_dir, STATE_TLS);
        int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        tls_directory = fd < 0 ? 0 : fd;
    }
    if (!user->change) {
        return;
    }
    root_of(row_of(role)->root, seen, root);
    if (chdir(root) != 0 || chroot(".") != 0) {
        fatal("chroot to %s: %s", root, strerror(errno));
    }
    if (setgroups(1, &user->gid) != 0 ||
        setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0) {
        fatal("cannot become user %u: %s", (unsigned)user->uid, strerror(errno));
    }
    if (user->uid == 0 || setresuid(0, 0, 0) == 0) {
        fatal("still root after giving root up");
    }
    if (strcmp(root, "/") != 0) {
        reroot(seen, root);
    }
}

/* -- the lock -- */

static void add_port(struct landlock_rules *rules, uint16_t port)
{
    for (unsigned i = 0; i < rules->connect_n; i++) {
        if (rules->connect_port[i] == port) {
            return;
        }
    }
    BUG_ON(rules->connect_n == LANDLOCK_PORTS_MAX);
    rules->connect_port[rules->connect_n++] = port;
}

/* The port of "[zone ]address[@port]", which the configuration has checked. */
static void add_dns_ports(struct landlock_rules *rules, const struct config_list *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        uint64_t port = 0;
        struct slice text = slice_of(list->item[i]);
        struct slice after = slice_from(text, slice_rfind(text, '@') + 1);
        add_port(rules, after.len > 0 && slice_u64(after, &port) ? (uint16_t)port : 53);
    }
}

/* The port of an address; none of "". */
static void add_port_of(struct landlock_rules *rules, const char *name, const char *text)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (text[0] == '\0') {
        return;
    }
    if (!config_address_parse(text, &address, &len)) {
        fatal("%s: '%s' is no address", name, text);
    }
    add_port(rules, landlock_port(&address));
}

static void lock_paths(const struct row *row, enum role role, const struct config *seen)
{
    char path[PATH_ROOM], mail[PATH_ROOM];
    struct landlock_rules rules = {.role = role_name(role)};
    bool lmtp = row->mail && seen->delivery_lmtp[0] != '\0';

    if (row->own != NULL) {
        format_path(path, seen->state_dir, row->own);
        rules.path = path;
    } else if (row->mail && !lmtp) {
        sandbox_mail_root(seen->delivery_maildir, path, sizeof path);
        rules.path = path;
    }
    rules.access = rules.path == NULL ? 0 : row->access;
    if (row->quotas && seen->delivery_lmtp[0] == '\0') {
        sandbox_mail_root(seen->delivery_maildir, mail, sizeof mail);
        rules.also = mail;
    }
    if (lmtp && lmtp_socket(seen) == NULL) {
        add_port_of(&rules, "delivery.lmtp", seen->delivery_lmtp);
    }
    if (row->dns && !(row->hooks && seen->webhook_ports.n == 0)) {
        add_port(&rules, 53); /* of /etc/resolv.conf, or of the servers of any zone */
        add_dns_ports(&rules, &seen->dns_forward);
        add_dns_ports(&rules, &seen->dns_forward_zones);
        add_dns_ports(&rules, &seen->dns_stub_zones);
    }
    if (row->oauth && seen->oauth_introspection[0] != '\0') {
        add_port_of(&rules, "oauth.connect-to", seen->oauth_connect_to);
    }
    for (unsigned i = 0; row->hooks && i < seen->webhook_ports.n; i++) {
        uint64_t port = 0;
        if (slice_u64(slice_of(seen->webhook_ports.item[i]), &port)) {
            add_port(&rules, (uint16_t)port);
        }
    }
    if (row->filters) {
        add_port_of(&rules, "rspamd.server", seen->rspamd_server);
        for (unsigned i = 0; i < seen->milter_server.n; i++) {
            /* a socket of the file system comes from the supervisor, connected */
            if (strncmp(seen->milter_server.item[i].server, "unix:", 5) != 0) {
                add_port_of(&rules, "milter.server", seen->milter_server.item[i].server);
            }
        }
    }
    if (row->smtp) {
        add_port(&rules, (uint16_t)seen->delivery_smtp_port);
        rules.bind_any = seen->sources != NULL;
        for (unsigned i = 0;
             seen->smart_hosts != NULL && i < smart_hosts_n(seen->smart_hosts); i++) {
            add_port(&rules, smart_hosts_at(seen->smart_hosts, i)->port);
        }
        rules.open = tls_directory;
    }
    if (row->smtp && seen->delivery_tls && seen->delivery_mta_sts) {
        add_port(&rules, (uint16_t)seen->delivery_mta_sts_port);
    }
    landlock_enter(&rules);
}

void sandbox_lock(enum role role, const struct config *seen)
{
    const struct row *row = row_of(role);
    enum mode m = mode();

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        fatal("no_new_privs: %s", strerror(errno));
    }
    if (m == MODE_OFF) {
        log_text(LOG_WARN, "sandbox", "off: no Landlock, no seccomp");
        return;
    }
    /* Another role of the same user may not look into this one, nor write a core of it. */
    if (m == MODE_ON && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        fatal("not dumpable: %s", strerror(errno));
    }
    lock_paths(row, role, seen);
    /* who connects to nobody needs no sockets */
    bool hooks = row->hooks && seen->webhook_ports.n > 0;
    unsigned calls = row->calls;
    bool http = row->oauth   ? seen->oauth_introspection[0] != '\0'
                : row->hooks ? hooks
                             : seen->delivery_tls && seen->delivery_mta_sts;
    bool connects = row->oauth || row->hooks ? http : seen->delivery_lmtp[0] != '\0';
    calls &= connects ? ~0U : ~CALLS_CONNECT;
    calls &= http ? ~0U : ~CALLS_HTTP;
    calls &= row->hooks && !hooks ? ~CALLS_DNS : ~0U;
    calls_enter(calls, m == MODE_LOG);
}
