// The limit: the least that a server on one processor does for a request, with a loop of
// epoll. It knows where a head and a body end, and nothing else; its answers are fixed octets.
//
//   loop SIZE   answers GET with SIZE octets, and PUT with 204
//
// It says its address on the first line of its output, and ends when its input does.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 16, FILES = 65536, ROOM = 65536 };

// answer is the same answer BATCH times, so that those to a batch are sent at once.
struct answer {
	char *octets;
	size_t each;
};

static struct answer got, put;

// conn is a connection. It holds no octets, but those of a head that came in part.
struct conn {
	const struct answer *answer; // that is being sent
	size_t left;                 // of it, when the socket took only some
	size_t skip;                 // octets of a body that are still to come
	char *part;
	size_t len;
};

static struct conn *conns;
static char room[ROOM + 1];
static int loop;

static void make(struct answer *a, const char *head, size_t size) {
	size_t h = strlen(head);
	a->each = h + size;
	a->octets = malloc(a->each * BATCH);
	for (int i = 0; i < BATCH; i++) {
		char *at = a->octets + i * a->each;
		memcpy(at, head, h);
		for (size_t j = 0; j < size; j++)
			at[h + j] = '0' + j % 10;
	}
}

static void drop(int fd) {
	free(conns[fd].part);
	memset(&conns[fd], 0, sizeof conns[fd]);
	close(fd);
}

static void want(int fd, unsigned events) {
	struct epoll_event e = {.events = events, .data.fd = fd};
	epoll_ctl(loop, EPOLL_CTL_MOD, fd, &e);
}

// flush sends what is left. It returns -1 when the connection is gone, 0 when it has to wait.
static int flush(int fd) {
	struct conn *c = &conns[fd];
	while (c->left > 0) {
		size_t once = c->answer->each * BATCH;
		size_t n = c->left < once ? c->left : once;
		// Answers end where the last copy does: whole ones and a rest are a suffix.
		ssize_t sent = send(fd, c->answer->octets + (once - n), n, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN ? 0 : -1;
		c->left -= sent;
	}
	return 1;
}

static int answer(int fd, const struct answer *a) {
	struct conn *c = &conns[fd];
	if (c->left > 0 && (c->answer != a || c->left >= a->each * BATCH)) {
		int n = flush(fd);
		if (n <= 0)
			return n;
	}
	c->answer = a;
	c->left += a->each;
	return 1;
}

// serve answers what is in room. It returns what flush does, and keeps what it did not use.
static int serve(int fd, size_t len) {
	struct conn *c = &conns[fd];
	char *at = room, *end = room + len;
	int n = 1;
	while (at < end) {
		if (c->skip > 0) {
			size_t s = c->skip < (size_t)(end - at) ? c->skip : (size_t)(end - at);
			c->skip -= s;
			at += s;
			if (c->skip == 0 && (n = answer(fd, &put)) <= 0)
				break;
			continue;
		}
		char *stop = memmem(at, end - at, "\r\n\r\n", 4);
		if (!stop)
			break;
		if (*at == 'P') {
			*stop = 0;
			char *field = strcasestr(at, "\r\nContent-Length:");
			c->skip = field ? strtoul(field + 17, 0, 10) : 0;
			*stop = '\r';
			if (c->skip == 0 && (n = answer(fd, &put)) <= 0)
				break;
		} else if ((n = answer(fd, &got)) <= 0)
			break;
		at = stop + 4;
	}
	if (n < 0)
		return n;
	// A client that keeps more than some batches unanswered is none that is measured.
	if (n == 0)
		return -1;
	if (at < end) {
		c->len = end - at;
		c->part = malloc(c->len);
		memcpy(c->part, at, c->len);
	}
	return flush(fd);
}

static void receive(int fd) {
	struct conn *c = &conns[fd];
	size_t have = c->len;
	if (have > 0) {
		memcpy(room, c->part, have);
		free(c->part);
		c->part = 0;
		c->len = 0;
	}
	ssize_t n = have < ROOM ? recv(fd, room + have, ROOM - have, 0) : 0;
	if (n <= 0) {
		drop(fd);
		return;
	}
	int sent = serve(fd, have + n);
	if (sent < 0)
		drop(fd);
	else if (sent == 0)
		want(fd, EPOLLOUT);
}

int main(int argc, char **argv) {
	size_t size = argc > 1 ? strtoul(argv[1], 0, 10) : 100;
	char head[512];
	snprintf(head, sizeof head,
		"HTTP/1.1 200 OK\r\nX-Content-Type-Options: nosniff\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Length: %zu\r\nEtag: \"abcdefghijklm-1\"\r\nCache-Control: no-cache\r\nVary: Accept\r\n"
		"Accept-Ranges: bytes\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n", size);
	make(&got, head, size);
	make(&put, "HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nContent-Location: /value\r\nEtag: \"abcdefghijklm-1\"\r\n"
		"Last-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n", 0);
	conns = calloc(FILES, sizeof *conns);
	loop = epoll_create1(EPOLL_CLOEXEC);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t addrlen = sizeof addr;
	if (loop < 0 || l < 0 || bind(l, (void *)&addr, addrlen) || listen(l, 4096) || getsockname(l, (void *)&addr, &addrlen)) {
		perror("loop");
		return 1;
	}
	printf("127.0.0.1:%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	struct epoll_event e = {.events = EPOLLIN, .data.fd = l}, events[256];
	epoll_ctl(loop, EPOLL_CTL_ADD, l, &e);
	e.data.fd = 0;
	epoll_ctl(loop, EPOLL_CTL_ADD, 0, &e);
	for (;;) {
		int n = epoll_wait(loop, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == 0) {
				char c;
				if (read(0, &c, 1) <= 0)
					return 0;
			} else if (fd == l) {
				int conn = accept4(l, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
				if (conn < 0)
					continue;
				if (conn >= FILES) {
					close(conn);
					continue;
				}
				setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
				e.events = EPOLLIN;
				e.data.fd = conn;
				epoll_ctl(loop, EPOLL_CTL_ADD, conn, &e);
			} else if (events[i].events & EPOLLOUT) {
				int sent = flush(fd);
				if (sent < 0)
					drop(fd);
				else if (sent > 0)
					want(fd, EPOLLIN);
			} else
				receive(fd);
		}
	}
}
