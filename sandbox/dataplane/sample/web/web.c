/* A web server small enough to be kept as a file: the sandbox's stand-in for the
 * Amazon ECS sample image. It uses no C library, so it runs in an image that holds
 * nothing else. Options, each "name=value" as an argument:
 *   port=N          listen on N (else the environment's PORT, else 80)
 *   status=/path=N  answer N below /path (up to 8 of them)
 *   delay=MS        wait before listening
 *   slow=MS         wait before answering /slow
 *   print=TEXT      print a line, err=TEXT the same on standard error
 *   exit=N          end with code N instead of serving
 *   memory=MIB      touch that much memory first
 *   show=FILE       print a file
 *   get=PORT        print the first line of http://127.0.0.1:PORT/
 *   write=FILE      create a file and say whether that was possible
 *   ignore-term=1   do not end on SIGTERM
 *   pause=1         do nothing until stopped
 */
typedef unsigned long u64;
typedef long i64;

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_rt_sigaction = 13,
       SYS_nanosleep = 35, SYS_socket = 41, SYS_connect = 42, SYS_accept = 43, SYS_bind = 49, SYS_listen = 50,
       SYS_setsockopt = 54, SYS_clone = 56, SYS_uname = 63, SYS_clock_gettime = 228, SYS_exit_group = 231, SYS_openat = 257 };
static i64 sys(i64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
	i64 r;
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}
__asm__(".global _start\n_start:\nmov %rsp,%rdi\nand $-16,%rsp\ncall run\n");
__asm__(".global restorer\nrestorer:\nmov $15,%eax\nsyscall\n");
#elif defined(__aarch64__)
enum { SYS_read = 63, SYS_write = 64, SYS_close = 57, SYS_mmap = 222, SYS_rt_sigaction = 134,
       SYS_nanosleep = 101, SYS_socket = 198, SYS_connect = 203, SYS_accept = 202, SYS_bind = 200, SYS_listen = 201,
       SYS_setsockopt = 208, SYS_clone = 220, SYS_uname = 160, SYS_clock_gettime = 113, SYS_exit_group = 94, SYS_openat = 56 };
static i64 sys(i64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
	register i64 x8 __asm__("x8") = n;
	register u64 x0 __asm__("x0") = a;
	register u64 x1 __asm__("x1") = b;
	register u64 x2 __asm__("x2") = c;
	register u64 x3 __asm__("x3") = d;
	register u64 x4 __asm__("x4") = e;
	register u64 x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return (i64)x0;
}
__asm__(".global _start\n_start:\nmov x0,sp\nbl run\n");
__asm__(".global restorer\nrestorer:\nmov x8,#139\nsvc 0\n");
#endif
extern void restorer(void);

extern const char page[], page_end[];
__asm__(".section .rodata\n.global page\npage:\n.incbin \"page.html\"\n.global page_end\npage_end:\n.byte 0\n.text\n");

static u64 len(const char *s) { u64 n = 0; while (s[n]) n++; return n; }
static int starts(const char *s, const char *p) { while (*p) if (*s++ != *p++) return 0; return 1; }
static int num(const char *s) { int n = 0; while (*s >= '0' && *s <= '9') n = n * 10 + *s++ - '0'; return n; }
void *memset(void *p, int c, u64 n) { volatile char *q = p; while (n--) *q++ = (char)c; return p; }
void *memcpy(void *d, const void *s, u64 n) { volatile char *q = d; const char *r = s; while (n--) *q++ = *r++; return d; }

struct buf { char *p; u64 n, max; };
static void put(struct buf *b, const char *s, u64 n) { while (n-- && b->n < b->max) b->p[b->n++] = *s++; }
static void str(struct buf *b, const char *s) { put(b, s, len(s)); }
static void dec(struct buf *b, u64 v, int width) {
	char t[24]; int i = 24;
	do { t[--i] = '0' + v % 10; v /= 10; } while (v || 24 - i < width);
	put(b, t + i, 24 - i);
}
static void html(struct buf *b, const char *s, u64 n) {
	for (; n--; s++) {
		if (*s == '<') str(b, "&lt;"); else if (*s == '>') str(b, "&gt;"); else if (*s == '&') str(b, "&amp;"); else put(b, s, 1);
	}
}
static void all(int fd, const char *p, u64 n) {
	while (n) { i64 w = sys(SYS_write, fd, (u64)p, n, 0, 0, 0); if (w <= 0) return; p += w; n -= w; }
}
static void line(int fd, const char *a, const char *b) {
	char t[1024]; struct buf o = { t, 0, sizeof t - 1 };
	str(&o, a); str(&o, b); o.max++; put(&o, "\n", 1);
	all(fd, t, o.n);
}
static void quit(int code) { for (;;) sys(SYS_exit_group, code, 0, 0, 0, 0, 0); }
static void wait_ms(int ms) { i64 ts[2] = { ms / 1000, (ms % 1000) * 1000000L }; sys(SYS_nanosleep, (u64)ts, 0, 0, 0, 0, 0); }

struct addr { unsigned short family, port; unsigned ip; char pad[8]; };
static unsigned short be(int p) { return (unsigned short)((p >> 8 & 255) | (p & 255) << 8); }

static char *host, *task = "unknown";
static int port = 80, slow = 1000;
static struct { const char *path; int code; } status[8];
static int statuses;

static void on_term(int s) { line(1, "stopping: SIGTERM", ""); quit(0); }
static void handle(int sig, void *fn) {
	struct { void *fn; u64 flags; void *restorer; u64 mask; } sa = { fn, 0x04000000, restorer, 0 };
	sys(SYS_rt_sigaction, sig, (u64)&sa, 0, 8, 0, 0);
}

static void show(const char *file) {
	char t[4096];
	i64 fd = sys(SYS_openat, -100, (u64)file, 0, 0, 0, 0), n;
	if (fd < 0) { line(1, "cannot open ", file); return; }
	while ((n = sys(SYS_read, fd, (u64)t, sizeof t, 0, 0, 0)) > 0) all(1, t, n);
	sys(SYS_close, fd, 0, 0, 0, 0, 0);
}
static void create(const char *file) {
	i64 fd = sys(SYS_openat, -100, (u64)file, 0101, 0644, 0, 0);
	line(1, fd < 0 ? "cannot write " : "wrote ", file);
}
static void get(const char *p) {
	char t[512]; int tries = 100;
	struct addr a = { 2, be(num(p)), 0x0100007f, { 0 } };
	while (tries--) {
		i64 fd = sys(SYS_socket, 2, 1, 0, 0, 0, 0);
		if (sys(SYS_connect, fd, (u64)&a, 16, 0, 0, 0) == 0) {
			all(fd, "GET / HTTP/1.0\r\n\r\n", 18);
			i64 n = sys(SYS_read, fd, (u64)t, sizeof t - 1, 0, 0, 0), i = 0;
			while (i < n && t[i] != '\r') i++;
			t[i] = 0;
			line(1, "neighbour: ", t);
			return;
		}
		sys(SYS_close, fd, 0, 0, 0, 0, 0);
		wait_ms(50);
	}
	line(1, "neighbour: unreachable on ", p);
}
static void eat(int mib) {
	u64 n = (u64)mib << 20;
	char *p = (char *)sys(SYS_mmap, 0, n, 3, 0x22, -1UL, 0);
	for (u64 i = 0; i < n; i += 4096) p[i] = 1;
	line(1, "memory taken", "");
}

/* One log line for each request: time, method and path, status. */
static void record(const char *req, u64 n, int code) {
	char t[512]; struct buf o = { t, 0, sizeof t - 1 };
	i64 ts[2]; sys(SYS_clock_gettime, 0, (u64)ts, 0, 0, 0, 0);
	u64 s = ts[0] % 86400;
	dec(&o, s / 3600, 2); str(&o, ":"); dec(&o, s / 60 % 60, 2); str(&o, ":"); dec(&o, s % 60, 2); str(&o, " ");
	put(&o, req, n > 400 ? 400 : n); str(&o, " "); dec(&o, code, 3);
	o.max++; put(&o, "\n", 1);
	all(1, t, o.n);
}

static u64 render(char *out, u64 max, const char *path, u64 pathlen) {
	struct buf o = { out, 0, max };
	for (const char *p = page; p < page_end; p++) {
		if (starts(p, "@HOST@")) { html(&o, host, len(host)); p += 5; }
		else if (starts(p, "@TASK@")) { html(&o, task, len(task)); p += 5; }
		else if (starts(p, "@PORT@")) { dec(&o, port, 1); p += 5; }
		else if (starts(p, "@PATH@")) { html(&o, path, pathlen); p += 5; }
		else put(&o, p, 1);
	}
	return o.n;
}

static int code_for(const char *path) {
	for (int i = 0; i < statuses; i++) if (starts(path, status[i].path)) return status[i].code;
	return 200;
}

/* Answers requests of one connection until the client closes it. */
static void serve(int fd) {
	static char in[16384], head[512], body[16384];
	u64 have = 0;
	for (;;) {
		u64 end = 0;
		while (!end) {
			for (u64 i = 3; i < have && !end; i++)
				if (in[i] == '\n' && in[i - 1] == '\r' && in[i - 2] == '\n') end = i + 1;
			if (end) break;
			if (have == sizeof in - 1) return;
			i64 n = sys(SYS_read, fd, (u64)(in + have), sizeof in - 1 - have, 0, 0, 0);
			if (n <= 0) return;
			have += n;
			in[have] = 0;
		}
		u64 line_end = 0, p = 0, q, body_len = 0;
		while (in[line_end] != '\r') line_end++;
		while (p < line_end && in[p] != ' ') p++;
		for (q = ++p; q < line_end && in[q] != ' ';) q++;
		for (u64 i = line_end; i + 16 < end; i++) {
			char l[17]; for (int k = 0; k < 16; k++) { char c = in[i + k]; l[k] = c >= 'A' && c <= 'Z' ? c + 32 : c; }
			l[16] = 0;
			if (starts(l, "\ncontent-length:")) { u64 k = i + 16; while (in[k] == ' ') k++; body_len = num(in + k); }
		}
		int close = starts(in + q, " HTTP/1.0"), code = code_for(in + p);
		if (starts(in + p, "/slow")) wait_ms(slow);
		u64 n = render(body, sizeof body, in + p, q - p);
		struct buf h = { head, 0, sizeof head };
		str(&h, "HTTP/1.1 "); dec(&h, code, 3); str(&h, code == 200 ? " OK" : " Status");
		str(&h, "\r\nContent-Type: text/html; charset=utf-8\r\nServer: berth-sample\r\nX-Task: "); str(&h, task);
		str(&h, "\r\nX-Host: "); str(&h, host); str(&h, "\r\nContent-Length: "); dec(&h, n, 1);
		str(&h, close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
		record(in, q, code);
		all(fd, head, h.n);
		if (!starts(in, "HEAD ")) all(fd, body, n);
		if (close) return;
		while (have < end + body_len) { /* skip the body of a POST */
			body_len -= have - end;
			have = end;
			i64 r = sys(SYS_read, fd, (u64)(in + end), sizeof in - 1 - end < body_len ? sizeof in - 1 - end : body_len, 0, 0, 0);
			if (r <= 0) return;
			have += r;
		}
		u64 rest = have - end - body_len;
		memcpy(in, in + end + body_len, rest);
		have = rest;
		in[have] = 0;
	}
}

static void listen_forever(void) {
	int one = 1, six[7] = { 0 };
	i64 fd = sys(SYS_socket, 10, 1, 0, 0, 0, 0);
	i64 bound;
	if (fd >= 0) {
		sys(SYS_setsockopt, fd, 1, 2, (u64)&one, 4, 0);
		((unsigned short *)six)[0] = 10;
		((unsigned short *)six)[1] = be(port);
		bound = sys(SYS_bind, fd, (u64)six, 28, 0, 0, 0);
	} else {
		struct addr a = { 2, be(port), 0, { 0 } };
		fd = sys(SYS_socket, 2, 1, 0, 0, 0, 0);
		sys(SYS_setsockopt, fd, 1, 2, (u64)&one, 4, 0);
		bound = sys(SYS_bind, fd, (u64)&a, 16, 0, 0, 0);
	}
	if (bound < 0) { line(2, "cannot listen on the port", ""); quit(1); }
	sys(SYS_listen, fd, 128, 0, 0, 0, 0);
	char t[16]; struct buf b = { t, 0, 15 }; dec(&b, port, 1); t[b.n] = 0;
	line(1, "listening on port ", t);
	for (;;) {
		i64 c = sys(SYS_accept, fd, 0, 0, 0, 0, 0);
		if (c < 0) continue;
		if (sys(SYS_clone, 17, 0, 0, 0, 0, 0) == 0) {
			handle(15, 0);
			sys(SYS_close, fd, 0, 0, 0, 0, 0);
			serve(c);
			quit(0);
		}
		sys(SYS_close, c, 0, 0, 0, 0, 0);
	}
}

void run(u64 *sp) {
	static char uts[6][65];
	int argc = sp[0], code = -1;
	char **argv = (char **)(sp + 1), **env = argv + argc + 1;
	sys(SYS_uname, (u64)uts, 0, 0, 0, 0, 0);
	host = uts[1];
	handle(17, (void *)1); /* children are reaped by the kernel */
	handle(13, (void *)1);
	for (; *env; env++) {
		if (starts(*env, "PORT=")) port = num(*env + 5);
		if (starts(*env, "BERTH_TASK_ID=")) task = *env + 14;
	}
	handle(15, on_term);
	for (int i = 1; i < argc; i++) {
		char *a = argv[i];
		if (starts(a, "port=")) port = num(a + 5);
		else if (starts(a, "print=")) line(1, a + 6, "");
		else if (starts(a, "err=")) line(2, a + 4, "");
		else if (starts(a, "exit=")) code = num(a + 5);
		else if (starts(a, "delay=")) wait_ms(num(a + 6));
		else if (starts(a, "slow=")) slow = num(a + 5);
		else if (starts(a, "memory=")) eat(num(a + 7));
		else if (starts(a, "show=")) show(a + 5);
		else if (starts(a, "write=")) create(a + 6);
		else if (starts(a, "get=")) get(a + 4);
		else if (starts(a, "pause=")) for (;;) wait_ms(1000000);
		else if (starts(a, "ignore-term=")) handle(15, (void *)1);
		else if (starts(a, "status=") && statuses < 8) {
			char *p = a + 7, *q = p;
			while (*q && *q != '=') q++;
			if (*q) { *q = 0; status[statuses].path = p; status[statuses++].code = num(q + 1); }
		}
		else line(2, "unknown option: ", a);
	}
	if (code >= 0) quit(code);
	listen_forever();
}
