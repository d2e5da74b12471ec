/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleeps, signals and names. Expected: see hook_case.h. */
#include "hook_case.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <threads.h>

#define SHORT_NS (SHORT_MS * 1000000L)
static const struct timespec brief = {0, SHORT_NS}, never = {0, -1};

CASE(sleep, "sleep 2 0 10 none")
{
    static struct later l;
    show("sleep of nothing", sleep(0));
    interrupt_begin(&l, SIGUSR2);
    show("sleep interrupted", sleep(100) >= 99);
    interrupt_end(&l);
}

CASE(usleep, "usleep 1 0 20 none")
{
    show("usleep", usleep(SHORT_MS * 1000));
}

CASE(nanosleep, "nanosleep 3 2 30 none")
{
    static struct later l;
    struct timespec left, hour = {3600, 0};
    show("nanosleep", nanosleep(&brief, NULL));
    show("nanosleep of no time", nanosleep(&never, NULL));
    interrupt_begin(&l, SIGUSR2);
    show("nanosleep interrupted", nanosleep(&hour, &left));
    interrupt_end(&l);
    show("left", left.tv_sec);
}

CASE(clock_nanosleep, "clock_nanosleep 3 1 10 none")
{
    struct timespec until = after_ms(CLOCK_MONOTONIC, SHORT_MS), past = {1, 0};
    show_error("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    show_error("in the past", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL));
    show_error("of no time", clock_nanosleep(CLOCK_REALTIME, 0, &never, NULL));
}

CASE(thrd_sleep, "thrd_sleep 2 1 30 none")
{
    static struct later l;
    struct timespec hour = {3600, 0};
    show("thrd_sleep", thrd_sleep(&brief, NULL));
    interrupt_begin(&l, SIGUSR2);
    show("interrupted", thrd_sleep(&hour, NULL) == -1);
    interrupt_end(&l);
}

CASE(pause, "pause 1 1 10 none")
{
    static struct later l;
    interrupt_begin(&l, SIGUSR2);
    show("pause", pause());
    interrupt_end(&l);
}

CASE(sigsuspend, "sigsuspend 1 1 10 none")
{
    static struct later l;
    sigset_t none;
    sigemptyset(&none);
    interrupt_begin(&l, SIGUSR2);
    show("sigsuspend", sigsuspend(&none));
    interrupt_end(&l);
}

static void send_signal(void *thread)
{
    pthread_kill((pthread_t)thread, SIGRTMIN + 3);
}

static void expect_signal(struct later *l, sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGRTMIN + 3);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    later_do(l, send_signal, (void *)pthread_self());
}

CASE(sigwait, "sigwait 1 0 10 none")
{
    static struct later l;
    sigset_t set;
    int signal = 0;
    expect_signal(&l, &set);
    show_error("sigwait", sigwait(&set, &signal));
    show("signal", signal - SIGRTMIN);
}

CASE(sigwaitinfo, "sigwaitinfo 1 0 10 none")
{
    static struct later l;
    sigset_t set;
    expect_signal(&l, &set);
    show("sigwaitinfo", sigwaitinfo(&set, NULL) - SIGRTMIN);
}

CASE(sigtimedwait, "sigtimedwait 2 1 20 none")
{
    static struct later l;
    sigset_t set;
    struct timespec minute = {60, 0};
    expect_signal(&l, &set);
    show("sigtimedwait", sigtimedwait(&set, NULL, &minute) - SIGRTMIN);
    show("sigtimedwait in vain", sigtimedwait(&set, NULL, &brief));
}

/* ---- names: numeric ones need no server ---------------------------------------------------------------------------
 */

CASE(getaddrinfo, "getaddrinfo 3 2 0 name")
{
    struct addrinfo *found = NULL, hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    show("getaddrinfo", getaddrinfo("127.0.0.1", "80", &hints, &found));
    show("port", ntohs(((struct sockaddr_in *)found->ai_addr)->sin_port));
    freeaddrinfo(found);
    show("getaddrinfo of no number", getaddrinfo("not a number", NULL, &hints, &found));
    show("getaddrinfo of nothing", getaddrinfo(NULL, NULL, NULL, &found));
}

CASE(getnameinfo, "getnameinfo 2 1 0 name")
{
    char host[64] = "";
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    show("getnameinfo", getnameinfo((struct sockaddr *)&in, sizeof(in), host, sizeof(host), NULL, 0, NI_NUMERICHOST));
    printf("  %s\n", host);
    show("getnameinfo of nothing", getnameinfo((struct sockaddr *)&in, 1, host, sizeof(host), NULL, 0, NI_NUMERICHOST));
}

CASE(gethostbyname, "gethostbyname 1 0 0 name")
{
    show("gethostbyname", gethostbyname("127.0.0.1")->h_length);
}

CASE(gethostbyname2, "gethostbyname2 1 0 0 name")
{
    show("gethostbyname2", gethostbyname2("::1", AF_INET6)->h_length);
}

CASE(gethostbyaddr, "gethostbyaddr 1 1 0 name")
{
    show("gethostbyaddr of a bad length", gethostbyaddr("abc", 3, AF_INET) ? 0 : h_errno);
}

CASE(gethostbyname_r, "gethostbyname_r 2 1 0 name")
{
    struct hostent entry, *found;
    char room[1024];
    int error;
    show_error("gethostbyname_r", gethostbyname_r("127.0.0.1", &entry, room, sizeof(room), &found, &error));
    show_error("without room", gethostbyname_r("127.0.0.1", &entry, room, 1, &found, &error));
}

CASE(gethostbyname2_r, "gethostbyname2_r 1 0 0 name")
{
    struct hostent entry, *found;
    char room[1024];
    int error;
    show_error("gethostbyname2_r", gethostbyname2_r("::1", AF_INET6, &entry, room, sizeof(room), &found, &error));
}

CASE(gethostbyaddr_r, "gethostbyaddr_r 1 1 0 name")
{
    struct hostent entry, *found;
    char room[1024];
    int error;
    show_error("bad length", gethostbyaddr_r("abc", 3, AF_INET, &entry, room, sizeof(room), &found, &error));
}
