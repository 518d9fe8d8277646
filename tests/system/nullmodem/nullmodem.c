// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Serial lines joined by null-modem cables: ttyNM0 <-> ttyNM1, ttyNM2 <-> ttyNM3.
 *
 * What QEMU's cables leave out: one end's DTR is the other's DSR and DCD, its RTS the other's CTS, and
 * a BREAK arrives as one. As on any line, losing DCD hangs up unless CLOCAL, and CRTSCTS holds what is
 * written while CTS is down. Bits take no time, and the speeds at both ends need not agree.
 */
#include <linux/module.h>
#include <linux/serial.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
typedef int raised_t;
#else
typedef bool raised_t;
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
typedef int written_t;
typedef int length_t;
#else
typedef ssize_t written_t;
typedef size_t length_t;
#endif

struct end {
	struct tty_port port;
	unsigned int out;	/* TIOCM_DTR and TIOCM_RTS, as they stand */
	struct async_icount count;
};

static struct end ends[4];
static struct tty_driver *driver;
static DEFINE_SPINLOCK(lock);	/* of `out`, `count` and who inserts into a port's buffer */

static struct end *end_of(struct tty_struct *tty)
{
	return container_of(tty->port, struct end, port);
}

static struct end *other(struct end *end)
{
	return &ends[(end - ends) ^ 1];
}

/* What an end sees of the other one. */
static unsigned int in(struct end *end)
{
	unsigned int out = other(end)->out;

	return (out & TIOCM_DTR ? TIOCM_DSR | TIOCM_CAR : 0) | (out & TIOCM_RTS ? TIOCM_CTS : 0);
}

static void change_out(struct end *end, unsigned int set, unsigned int clear)
{
	struct end *peer = other(end);
	unsigned int before, changed, now;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	before = in(peer);
	end->out = (end->out & ~clear) | set;
	now = in(peer);
	changed = before ^ now;
	peer->count.dsr += !!(changed & TIOCM_DSR);
	peer->count.dcd += !!(changed & TIOCM_CAR);
	peer->count.cts += !!(changed & TIOCM_CTS);
	spin_unlock_irqrestore(&lock, flags);

	if (changed & now & TIOCM_CAR)
		wake_up_interruptible(&peer->port.open_wait);
	if (changed & ~now & TIOCM_CAR)
		tty_port_tty_hangup(&peer->port, true);
	if (changed & now & TIOCM_CTS)
		tty_port_tty_wakeup(&peer->port);
}

static raised_t carrier_raised(struct tty_port *port)
{
	return !!(in(container_of(port, struct end, port)) & TIOCM_CAR);
}

static void dtr_rts(struct tty_port *port, raised_t raise)
{
	unsigned int both = TIOCM_DTR | TIOCM_RTS;

	change_out(container_of(port, struct end, port), raise ? both : 0, raise ? 0 : both);
}

static const struct tty_port_operations port_operations = {
	.carrier_raised = carrier_raised,
	.dtr_rts = dtr_rts,
};

static int nm_open(struct tty_struct *tty, struct file *file)
{
	return tty_port_open(tty->port, tty, file);
}

static void nm_close(struct tty_struct *tty, struct file *file)
{
	tty_port_close(tty->port, tty, file);
}

static void nm_hangup(struct tty_struct *tty)
{
	tty_port_hangup(tty->port);
}

/* Also waits for a reader at the other end who is behind, so that nothing is lost without CRTSCTS. */
static unsigned int nm_write_room(struct tty_struct *tty)
{
	struct tty_struct *peer;
	unsigned int room = 4096;

	if (C_CRTSCTS(tty) && !(in(end_of(tty)) & TIOCM_CTS))
		return 0;
	peer = tty_port_tty_get(&other(end_of(tty))->port);
	if (peer && tty_throttled(peer))
		room = 0;
	tty_kref_put(peer);
	return room;
}

static void nm_unthrottle(struct tty_struct *tty)
{
	tty_port_tty_wakeup(&other(end_of(tty))->port);
}

static void receive(struct end *end, const u8 *bytes, size_t length, u8 flag)
{
	unsigned long flags;

	if (!tty_port_initialized(&end->port))
		return;		/* nobody listens */
	spin_lock_irqsave(&lock, flags);
	end->count.rx += tty_insert_flip_string_fixed_flag(&end->port, bytes, flag, length);
	end->count.brk += flag == TTY_BREAK;
	spin_unlock_irqrestore(&lock, flags);
	tty_flip_buffer_push(&end->port);
}

static written_t nm_write(struct tty_struct *tty, const u8 *bytes, length_t length)
{
	length_t taken = min_t(length_t, length, nm_write_room(tty));

	receive(other(end_of(tty)), bytes, taken, TTY_NORMAL);
	return taken;
}

static int nm_break_ctl(struct tty_struct *tty, int on)
{
	/* A receiver notes a BREAK once, as an octet of zeroes without its stop bit. */
	if (on)
		receive(other(end_of(tty)), "", 1, TTY_BREAK);
	return 0;
}

static int nm_tiocmget(struct tty_struct *tty)
{
	return end_of(tty)->out | in(end_of(tty));
}

static int nm_tiocmset(struct tty_struct *tty, unsigned int set, unsigned int clear)
{
	unsigned int both = TIOCM_DTR | TIOCM_RTS;

	change_out(end_of(tty), set & both, clear & both);
	return 0;
}

static int nm_get_icount(struct tty_struct *tty, struct serial_icounter_struct *to)
{
	const struct async_icount *from = &end_of(tty)->count;

	to->cts = from->cts;
	to->dsr = from->dsr;
	to->dcd = from->dcd;
	to->rx = from->rx;
	to->brk = from->brk;
	return 0;
}

/* termios(3): speed 0 lowers DTR, and any other raises it again. */
static void nm_set_termios(struct tty_struct *tty, const struct ktermios *old)
{
	if (!C_BAUD(tty))
		dtr_rts(tty->port, 0);
	else if (old && !(old->c_cflag & CBAUD))
		dtr_rts(tty->port, 1);
	if (!C_CRTSCTS(tty))
		tty_wakeup(tty);
}

static const struct tty_operations operations = {
	.open = nm_open,
	.close = nm_close,
	.hangup = nm_hangup,
	.write = nm_write,
	.write_room = nm_write_room,
	.unthrottle = nm_unthrottle,
	.break_ctl = nm_break_ctl,
	.tiocmget = nm_tiocmget,
	.tiocmset = nm_tiocmset,
	.get_icount = nm_get_icount,
	.set_termios = nm_set_termios,
};

static void destroy_ports(void)
{
	int index;

	for (index = 0; index < ARRAY_SIZE(ends); index++)
		tty_port_destroy(&ends[index].port);
}

static int __init nullmodem_init(void)
{
	int index, error;

	/* Not TTY_DRIVER_REAL_RAW: then IGNBRK would be for us to heed. */
	driver = tty_alloc_driver(ARRAY_SIZE(ends), 0);
	if (IS_ERR(driver))
		return PTR_ERR(driver);
	driver->driver_name = "nullmodem";
	driver->name = "ttyNM";
	driver->type = TTY_DRIVER_TYPE_SERIAL;
	driver->subtype = SERIAL_TYPE_NORMAL;
	driver->init_termios = tty_std_termios;
	driver->init_termios.c_cflag = B9600 | CS8 | CREAD | HUPCL | CLOCAL;
	/* Echo at both ends would go round and round. */
	driver->init_termios.c_lflag = 0;
	tty_set_operations(driver, &operations);
	for (index = 0; index < ARRAY_SIZE(ends); index++) {
		tty_port_init(&ends[index].port);
		ends[index].port.ops = &port_operations;
		tty_port_link_device(&ends[index].port, driver, index);
	}
	error = tty_register_driver(driver);
	if (error) {
		tty_driver_kref_put(driver);
		destroy_ports();
	}
	return error;
}

static void __exit nullmodem_exit(void)
{
	tty_unregister_driver(driver);
	tty_driver_kref_put(driver);
	destroy_ports();
}

module_init(nullmodem_init);
module_exit(nullmodem_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Null-modem cables between serial lines, for tests");
