/* SPDX-License-Identifier: MIT */
/*
 * init - the first process of our Linux guest
 *
 * Mounts what programs expect, loads the modules the initramfs lists, sets up
 * the cards as the kernel's command line says, prints one line that starts with
 * "guest: ready", and does what guest.run= asks for.  README.md has the words.
 *
 * Whatever goes wrong is one line on the console and the next step is taken all
 * the same: a guest without its network is easier to look into than none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CONSOLE	"/dev/ttyS0"
#define MODULES	"/lib/modules/"

#define CARDS_MAX	8

/* Emulated machines are slow; these are for what never comes. */
#define CARD_PATIENCE_MS	10000
#define CARRIER_PATIENCE_MS	3000

static char *card_ip[CARDS_MAX];	/* guest.ip=, guest.ip1=, ... */
static const char *run = "shell";	/* guest.run= */

/* One line in one write, so that nothing of ours lands in its middle. */
__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	char line[256] = "guest: ";
	size_t len = strlen(line);
	va_list ap;

	va_start(ap, format);
	vsnprintf(line + len, sizeof(line) - len - 1, format, ap);
	va_end(ap);
	strcat(line, "\n");
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		return;		/* and nowhere to say so */
}

static void complain(const char *what)
{
	say("%s: %s", what, strerror(errno));
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		complain(path);
	if (fd >= 0)
		close(fd);
}

static void file_systems_mount(void)
{
	static const struct {
		const char *type, *where, *options;
	} fs[] = {
		{ "proc",     "/proc",    "" },
		{ "sysfs",    "/sys",     "" },
		{ "devtmpfs", "/dev",     "" },
		{ "devpts",   "/dev/pts", "ptmxmode=666" },
		{ "tmpfs",    "/tmp",     "mode=1777" },
		{ "tmpfs",    "/run",     "mode=755" },
	};

	for (size_t i = 0; i < sizeof(fs) / sizeof(fs[0]); i++) {
		mkdir(fs[i].where, 0755);
		if (mount(fs[i].type, fs[i].where, fs[i].type, 0,
			  fs[i].options))
			complain(fs[i].where);
	}
}

/*
 * The console becomes the controlling terminal of process 1, not of the shell:
 * when the leader of a session ends, its terminal is hung up, and what it has
 * not sent yet is thrown away.
 */
static void console_open(void)
{
	int fd = open(CONSOLE, O_RDWR | O_NOCTTY);

	if (fd < 0) {
		complain(CONSOLE);
		return;
	}
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
	setsid();
	if (ioctl(STDIN_FILENO, TIOCSCTTY, 1))
		complain(CONSOLE);
}

/*
 * For a program at the other end: what it sends does not come back, lines end
 * in a plain \n, and no byte means a signal.  Ctrl-D still ends the input.
 */
static void console_plain(void)
{
	struct termios tty;

	if (tcgetattr(STDIN_FILENO, &tty)) {
		complain(CONSOLE);
		return;
	}
	tty.c_lflag &= ~(ECHO | ISIG);
	tty.c_oflag &= ~OPOST;
	tty.c_iflag &= ~(IXON | IXOFF);
	tcsetattr(STDIN_FILENO, TCSANOW, &tty);	/* keeps what was sent early */
}

static void module_load(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), MODULES "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		complain(path);
	if (fd >= 0)
		close(fd);
}

static void modules_load(void)
{
	FILE *order = fopen(MODULES "order", "re");
	char name[128];

	if (!order) {
		complain(MODULES "order");
		return;
	}
	while (fscanf(order, "%127s", name) == 1)
		module_load(name);
	fclose(order);
}

/* guest.ip=ADDRESS/BITS is for the first card, guest.ip1= for the second... */
static void cmdline_word(char *word)
{
	char *value = strchr(word, '=');
	char *end;
	unsigned long n;

	if (!value)
		return;
	*value++ = '\0';

	if (!strcmp(word, "guest.run")) {
		run = value;
	} else if (!strncmp(word, "guest.ip", 8)) {
		n = strtoul(word + 8, &end, 10);
		if (*end || n >= CARDS_MAX)
			say("%s: no such card", word);
		else
			card_ip[n] = value;
	} else if (!strncmp(word, "guest.", 6)) {
		say("%s: not a word I know", word);
	}
}

static void cmdline_read(void)
{
	static char line[4096];
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (len < 0)
		complain("/proc/cmdline");
	if (fd >= 0)
		close(fd);
	for (char *w = strtok(line, " \n"); w; w = strtok(NULL, " \n"))
		cmdline_word(w);
}

/*
 * Asked of /sys, since to ask a socket for a card that is not there makes the
 * kernel run modprobe, each time.
 */
static bool card_appears(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	for (int ms = 0; ms < CARD_PATIENCE_MS; ms += 10) {
		if (!access(path, F_OK))
			return true;
		usleep(10 * 1000);
	}
	return false;
}

static void card_up(int sock, const char *name)
{
	struct ifreq req = { 0 };

	strncpy(req.ifr_name, name, sizeof(req.ifr_name) - 1);
	if (!ioctl(sock, SIOCGIFFLAGS, &req)) {
		req.ifr_flags |= IFF_UP;
		if (!ioctl(sock, SIOCSIFFLAGS, &req))
			return;
	}
	complain(name);
}

/*
 * The driver learns the state of the link in its own time.  Not by IFF_RUNNING,
 * which may come a second after packets can go.
 */
static bool card_has_carrier(const char *name)
{
	char path[64], state = '0';
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	for (int ms = 0; ms < CARRIER_PATIENCE_MS; ms += 10) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return false;
		if (read(fd, &state, 1) != 1)
			state = '0';
		close(fd);
		if (state == '1')
			return true;
		usleep(10 * 1000);
	}
	return false;
}

static bool card_set(int sock, const char *name, unsigned long what,
		     uint32_t ip)
{
	struct ifreq req = { 0 };
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr.s_addr = ip,
	};

	strncpy(req.ifr_name, name, sizeof(req.ifr_name) - 1);
	memcpy(&req.ifr_addr, &sin, sizeof(sin));
	if (!ioctl(sock, what, &req))
		return true;
	complain(name);
	return false;
}

/* ADDRESS/BITS, as the two words that the ioctls take. */
static bool ip_parse(const char *text, uint32_t *ip, uint32_t *mask)
{
	char address[INET_ADDRSTRLEN], rest;
	unsigned int bits;

	if (sscanf(text, "%15[0-9.]/%u%c", address, &bits, &rest) != 2 ||
	    bits < 1 || bits > 32 || inet_pton(AF_INET, address, ip) != 1)
		return false;
	*mask = htonl(UINT32_MAX << (32 - bits));
	return true;
}

static void card_configure(int sock, const char *name, const char *text)
{
	uint32_t ip, mask;

	if (!ip_parse(text, &ip, &mask)) {
		say("%s: %s is not like 10.0.0.2/24", name, text);
		return;
	}
	if (!card_appears(name)) {
		say("%s: no such card after %d s", name,
		    CARD_PATIENCE_MS / 1000);
		return;
	}
	if (!card_set(sock, name, SIOCSIFADDR, ip) ||
	    !card_set(sock, name, SIOCSIFNETMASK, mask))
		return;
	card_up(sock, name);
	if (!card_has_carrier(name))
		say("%s: no carrier", name);
}

static void network_configure(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[IFNAMSIZ];

	if (sock < 0) {
		complain("socket");
		return;
	}
	card_up(sock, "lo");
	for (int i = 0; i < CARDS_MAX; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		if (card_ip[i])
			card_configure(sock, name, card_ip[i]);
	}
	close(sock);
}

static _Noreturn void end(int how)
{
	tcdrain(STDOUT_FILENO);		/* last words first */
	sync();
	reboot(how);
	complain("reboot");
	for (;;)
		pause();
}

/* What a shell is started with.  Does not return. */
static void shell_exec(bool plain)
{
	sigset_t none;

	setpgid(0, 0);
	tcsetpgrp(STDIN_FILENO, getpid());	/* Ctrl-C is for the shell */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("PATH", "/bin", 1);
	setenv("HOME", "/", 1);
	setenv("TERM", "vt100", 0);
	setenv("PS1", "guest# ", 1);
	if (chdir("/"))
		complain("/");

	if (!plain) {
		execl("/bin/sh", "sh", NULL);
	} else if (freopen("/dev/null", "r", stdin)) {
		/* As a script: no command can read the lines after it. */
		execl("/bin/sh", "sh", CONSOLE, NULL);
	}
	complain("/bin/sh");
	_exit(127);
}

/* Whose parent is gone is our child too; nobody else waits for those. */
static bool reap(pid_t shell, int *status)
{
	bool ended = false;
	int st;

	for (pid_t pid; (pid = waitpid(-1, &st, WNOHANG)) > 0;)
		if (pid == shell) {
			*status = st;
			ended = true;
		}
	return ended;
}

/* Until the shell ends, or busybox's poweroff, reboot or halt signals us. */
static void shell_run(bool plain)
{
	sigset_t set;
	pid_t shell;
	int status = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGTTOU);	/* or tcdrain() would fail in end() */
	sigprocmask(SIG_BLOCK, &set, NULL);

	shell = fork();
	if (shell < 0) {
		complain("fork");
		return;
	}
	if (!shell)
		shell_exec(plain);

	for (;;) {
		switch (sigwaitinfo(&set, NULL)) {
		case SIGUSR1:
			end(RB_HALT_SYSTEM);
		case SIGUSR2:
			end(RB_POWER_OFF);
		case SIGTERM:
			end(RB_AUTOBOOT);
		case SIGCHLD:
			if (!reap(shell, &status))
				break;
			if (WIFSIGNALED(status))
				say("sh: ended by signal %d", WTERMSIG(status));
			else if (plain && WEXITSTATUS(status))
				say("sh: exit status %d", WEXITSTATUS(status));
			return;
		}
	}
}

static void ready(void)
{
	struct utsname name;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	uname(&name);
	say("ready %s %s, %ld cpu%s", name.sysname, name.release, cpus,
	    cpus == 1 ? "" : "s");
}

int main(void)
{
	bool tests;

	if (getpid() != 1) {	/* on somebody's own machine? */
		fprintf(stderr, "init: only for process 1 of a guest\n");
		return 2;
	}

	file_systems_mount();
	console_open();		/* from here on there is somebody to talk to */
	cmdline_read();

	/* Nothing on the wire that nobody asked for: tests count packets. */
	if (!access("/proc/sys/net/ipv6", F_OK))
		write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	modules_load();		/* now there are cards */
	network_configure();

	tests = !strcmp(run, "tests");
	if (tests)
		console_plain();
	ready();

	if (tests || !strcmp(run, "shell"))
		shell_run(tests);
	else if (!strcmp(run, "reboot"))
		end(RB_AUTOBOOT);
	else if (!strcmp(run, "halt"))
		end(RB_HALT_SYSTEM);
	else if (!strcmp(run, "panic"))
		write_file("/proc/sysrq-trigger", "c");
	else if (strcmp(run, "poweroff"))
		say("guest.run=%s: not one of shell tests poweroff reboot halt "
		    "panic", run);
	end(RB_POWER_OFF);
}
