/* What drain.py does, in less time: `drain EXTENSION ...` reads letters and forgets them, at once.

   It says its port, then at every line of its standard input how many letters it took, and ends with its input. Every
   command is answered by its first four letters alone. A letter's end is looked for behind its dots, which are few. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAIL = 4, CHUNK = 256 * 1024, LINE = 4096, ANSWERS = 16 * 1024, EVENTS = 64 };

struct connection {
    int socket, in_letter, have;
    char line[LINE];  /* a command that is not all there yet */
    char tail[TAIL];  /* the last octets of a letter so far: its end may come in pieces */
};

static char greeting[LINE], answers[ANSWERS];
static size_t said;
static long letters;

static void answer(const char *text)
{
    size_t length = strlen(text);
    if (said + length <= sizeof answers) {
        memcpy(answers + said, text, length);
        said += length;
    }
}

static void command(struct connection *one, const char *line)
{
    if (!strncasecmp(line, "EHLO", 4))
        answer(greeting);
    else if (!strncasecmp(line, "DATA", 4)) {
        one->in_letter = 1;
        memcpy(one->tail, "\0\0\r\n", TAIL);
        answer("354 go on\r\n");
    } else
        answer(!strncasecmp(line, "QUIT", 4) ? "221 bye\r\n" : "250 ok\r\n");
}

/* Takes what is left of a letter; `from` has TAIL octets to spare before it. Returns where the next command begins. */
static char *letter(struct connection *one, char *from, char *end)
{
    char said_so[64];
    char *start = from - TAIL, *dot = start;
    memcpy(start, one->tail, TAIL);
    while ((dot = memchr(dot, '.', (size_t)(end - dot))) != NULL) {
        if (dot - start >= 2 && end - dot >= 3 && !memcmp(dot - 2, "\r\n.\r\n", 5)) {
            one->in_letter = 0;
            snprintf(said_so, sizeof said_so, "250 2.0.0 Ok: queued as %ld\r\n", ++letters);
            answer(said_so);
            return dot + 3;
        }
        dot++;
    }
    memcpy(one->tail, end - TAIL, TAIL);
    return end;
}

static char *line(struct connection *one, char *from, char *end)
{
    char *feed = memchr(from, '\n', (size_t)(end - from));
    int length = (int)((feed ? feed + 1 : end) - from);
    if (one->have + length >= LINE)
        return NULL;
    memcpy(one->line + one->have, from, (size_t)length);
    one->have += length;
    if (!feed)
        return end;
    one->line[one->have] = '\0';
    one->have = 0;
    command(one, one->line);
    return feed + 1;
}

static void leave(struct connection *one)
{
    close(one->socket);
    free(one);
}

static void hear(struct connection *one)
{
    static char space[TAIL + CHUNK];
    char *from = space + TAIL;
    ssize_t got = recv(one->socket, from, CHUNK, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        leave(one);
        return;
    }
    said = 0;
    for (char *end = from + got; from && from < end;)
        from = one->in_letter ? letter(one, from, end) : line(one, from, end);
    /* Answers are few and short, so the kernel has room for them. */
    if (!from || (said && send(one->socket, answers, said, MSG_NOSIGNAL) != (ssize_t)said))
        leave(one);
}

static void let_in(int door, int events)
{
    int on = 1, accepted = accept4(door, NULL, NULL, SOCK_NONBLOCK);
    struct connection *one = accepted < 0 ? NULL : calloc(1, sizeof *one);
    if (!one)
        return;
    one->socket = accepted;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = one};
    epoll_ctl(events, EPOLL_CTL_ADD, accepted, &wanted);
    if (send(accepted, "220 drain\r\n", 11, MSG_NOSIGNAL) != 11)
        leave(one);
}

/* Says the count for every line that was asked; 0 when nobody will ask any more. */
static int count(void)
{
    char asked[256];
    ssize_t got = read(STDIN_FILENO, asked, sizeof asked);
    for (ssize_t n = 0; n < got; n++)
        if (asked[n] == '\n')
            printf("%ld\n", letters);
    fflush(stdout);
    return got > 0;
}

static int open_door(void)
{
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    if (door < 0 || bind(door, (struct sockaddr *)&place, length) || listen(door, 1024)
        || getsockname(door, (struct sockaddr *)&place, &length))
        return -1;
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    return door;
}

int main(int many, char **extensions)
{
    static int at_the_door, at_the_input;
    size_t length = (size_t)snprintf(greeting, sizeof greeting, "250-drain\r\n");
    for (int n = 1; n < many && length < sizeof greeting; n++)
        length += (size_t)snprintf(greeting + length, sizeof greeting - length, "250-%s\r\n", extensions[n]);
    if (length + sizeof "250 SIZE 0\r\n" > sizeof greeting)
        return 1;
    strcat(greeting, "250 SIZE 0\r\n");
    int door = open_door(), events = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &at_the_door};
    if (door < 0 || events < 0 || epoll_ctl(events, EPOLL_CTL_ADD, door, &wanted))
        return 1;
    wanted.data.ptr = &at_the_input;
    if (epoll_ctl(events, EPOLL_CTL_ADD, STDIN_FILENO, &wanted))
        return 1;
    for (;;) {
        struct epoll_event told[EVENTS];
        int happened = epoll_wait(events, told, EVENTS, -1);
        for (int n = 0; n < happened; n++) {
            if (told[n].data.ptr == &at_the_door)
                let_in(door, events);
            else if (told[n].data.ptr == &at_the_input) {
                if (!count())
                    return 0;
            } else
                hear(told[n].data.ptr);
        }
    }
}
