// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Serial lines joined by null-modem cables: ttyNM0 <-> ttyNM1, ttyNM2 <-> ttyNM3.
 *
 * What QEMU's cables and ports leave out: one end's DTR is the other's DSR and DCD, its RTS the other's
 * CTS, its OUT1 the other's RI, and a BREAK arrives as one. As on any line, losing DCD hangs up unless
 * CLOCAL, and CRTSCTS holds what is written while CTS is down. Bits take their time. An octet sent with
 * another speed or size than the receiver has arrives as a framing error, one sent with another parity as
 * a parity error; it keeps its value. What is sent while OUT2 is up, which goes nowhere else, finds the
 * receiver overrun.
 */
#include <linux/delay.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>

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

#define OUTPUTS (TIOCM_DTR | TIOCM_RTS | TIOCM_OUT1 | TIOCM_OUT2)
#define FIFO 16			/* octets that the hardware has taken, as in a 16550 */

struct end {
	struct tty_port port;
	unsigned int out;	/* of OUTPUTS, as they stand */
	bool sends_break;
	DECLARE_KFIFO(unsent, u8, 4096);
	u64 due;		/* when the first of them has been sent, in nanoseconds */
	struct delayed_work transmitter;
	struct async_icount count;
};

static struct end ends[4];
static struct tty_driver *driver;
static DEFINE_SPINLOCK(lock);	/* of the ends, and who inserts into a port's buffer */

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

	return (out & TIOCM_DTR ? TIOCM_DSR | TIOCM_CAR : 0) | (out & TIOCM_RTS ? TIOCM_CTS : 0) |
	       (out & TIOCM_OUT1 ? TIOCM_RI : 0);
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
	/* As in a 16550, which notes the trailing edge. */
	peer->count.rng += !!(changed & ~now & TIOCM_RI);
	spin_unlock_irqrestore(&lock, flags);

	if (changed & now & TIOCM_CAR)
		wake_up_interruptible(&peer->port.open_wait);
	if (changed & ~now & TIOCM_CAR)
		tty_port_tty_hangup(&peer->port, true);
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

/* The last has closed it, or it was hung up. */
static void shutdown(struct tty_port *port)
{
	struct end *end = container_of(port, struct end, port);
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	end->sends_break = false;
	kfifo_reset(&end->unsent);
	spin_unlock_irqrestore(&lock, flags);
}

static const struct tty_port_operations port_operations = {
	.carrier_raised = carrier_raised,
	.dtr_rts = dtr_rts,
	.shutdown = shutdown,
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

/* Under the lock, and then the buffer is to be pushed. */
static void receive(struct end *end, u8 octet, u8 flag)
{
	if (!tty_port_initialized(&end->port))
		return;		/* nobody listens */
	end->count.brk += flag == TTY_BREAK;
	end->count.frame += flag == TTY_FRAME;
	end->count.parity += flag == TTY_PARITY;
	end->count.rx += tty_insert_flip_char(&end->port, octet, flag);
}

static u64 octet_time(struct tty_struct *tty)
{
	return div_u64((u64)NSEC_PER_SEC * tty_get_frame_size(tty->termios.c_cflag),
		       max(tty->termios.c_ospeed, 1u));
}

/* Also by a reader at the other end who is behind, so that nothing is lost without flow control. */
static bool held(struct end *end, struct tty_struct *tty, struct tty_struct *peer)
{
	return tty->flow.stopped || (C_CRTSCTS(tty) && !(in(end) & TIOCM_CTS)) ||
	       (peer && tty_throttled(peer));
}

static u8 how_it_arrives(struct tty_struct *from, struct tty_struct *to)
{
	unsigned int differs = to->termios.c_cflag ^ from->termios.c_cflag;

	if (to->termios.c_ospeed != from->termios.c_ospeed || (differs & CSIZE))
		return TTY_FRAME;
	return differs & (PARENB | PARODD | CMSPAR) ? TTY_PARITY : TTY_NORMAL;
}

static void send_octet(struct end *end, struct tty_struct *tty, struct tty_struct *peer, u8 octet)
{
	if (end->sends_break || !peer)
		return;		/* as in a 16550, which shifts it out unseen */
	if (end->out & TIOCM_OUT2)
		other(end)->count.overrun++;
	else
		receive(other(end), octet & GENMASK(tty_get_char_size(tty->termios.c_cflag) - 1, 0),
			how_it_arrives(tty, peer));
}

/* Looks at each tick what has been sent since, for as long as there is something to send. */
static void transmit(struct work_struct *work)
{
	struct end *end = container_of(to_delayed_work(work), struct end, transmitter);
	struct tty_struct *tty = tty_port_tty_get(&end->port);
	struct tty_struct *peer = tty_port_tty_get(&other(end)->port);
	u64 now = ktime_get_ns();
	bool takes = false;
	unsigned long flags;
	u8 octet;

	if (!tty)
		goto closed;
	spin_lock_irqsave(&lock, flags);
	if (held(end, tty, peer))
		end->due = now + octet_time(tty);
	while (end->due <= now && kfifo_get(&end->unsent, &octet)) {
		send_octet(end, tty, peer, octet);
		end->due += octet_time(tty);
		takes = kfifo_len(&end->unsent) < WAKEUP_CHARS;
	}
	spin_unlock_irqrestore(&lock, flags);
	tty_flip_buffer_push(&other(end)->port);
	if (takes)
		tty_wakeup(tty);
	if (!kfifo_is_empty(&end->unsent))
		schedule_delayed_work(&end->transmitter, 1);
	tty_kref_put(tty);
closed:
	tty_kref_put(peer);
}

static written_t nm_write(struct tty_struct *tty, const u8 *bytes, length_t length)
{
	struct end *end = end_of(tty);
	unsigned long flags;
	length_t taken;

	spin_lock_irqsave(&lock, flags);
	if (kfifo_is_empty(&end->unsent))
		end->due = ktime_get_ns() + octet_time(tty);
	taken = kfifo_in(&end->unsent, bytes, length);
	spin_unlock_irqrestore(&lock, flags);
	schedule_delayed_work(&end->transmitter, 1);
	return taken;
}

static unsigned int nm_write_room(struct tty_struct *tty)
{
	return kfifo_avail(&end_of(tty)->unsent);
}

static unsigned int nm_chars_in_buffer(struct tty_struct *tty)
{
	unsigned int unsent = kfifo_len(&end_of(tty)->unsent);

	return unsent > FIFO ? unsent - FIFO : 0;
}

/*
 * As uart_wait_until_sent() does: no longer than twice what the hardware needs for what it has taken, and
 * then what the worker that plays the hardware may be late on a busy machine.
 */
static void nm_wait_until_sent(struct tty_struct *tty, int timeout)
{
	unsigned long needs = nsecs_to_jiffies(2 * FIFO * octet_time(tty)) + HZ;
	unsigned long until = jiffies + min_t(unsigned long, needs, timeout ?: MAX_SCHEDULE_TIMEOUT);

	while (!kfifo_is_empty(&end_of(tty)->unsent) && time_before(jiffies, until) &&
	       !signal_pending(current))
		msleep_interruptible(1);
}

static void nm_flush_buffer(struct tty_struct *tty)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	kfifo_reset(&end_of(tty)->unsent);
	spin_unlock_irqrestore(&lock, flags);
	tty_wakeup(tty);
}

/* As uart_throttle() and uart_unthrottle() do. */
static void hold_up(struct tty_struct *tty, bool hold)
{
	struct end *peer = other(end_of(tty));
	unsigned long flags;

	if (I_IXOFF(tty)) {
		spin_lock_irqsave(&lock, flags);
		receive(peer, hold ? STOP_CHAR(tty) : START_CHAR(tty), TTY_NORMAL);
		spin_unlock_irqrestore(&lock, flags);
		tty_flip_buffer_push(&peer->port);
	}
	if (C_CRTSCTS(tty))
		change_out(end_of(tty), hold ? 0 : TIOCM_RTS, hold ? TIOCM_RTS : 0);
}

static void nm_throttle(struct tty_struct *tty)
{
	hold_up(tty, true);
}

static void nm_unthrottle(struct tty_struct *tty)
{
	hold_up(tty, false);
}

static int nm_break_ctl(struct tty_struct *tty, int on)
{
	struct end *peer = other(end_of(tty));
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	/* A receiver notes a BREAK once, as an octet of zeroes without its stop bit. */
	if (on && !end_of(tty)->sends_break)
		receive(peer, 0, TTY_BREAK);
	end_of(tty)->sends_break = on;
	spin_unlock_irqrestore(&lock, flags);
	tty_flip_buffer_push(&peer->port);
	return 0;
}

static int nm_tiocmget(struct tty_struct *tty)
{
	return end_of(tty)->out | in(end_of(tty));
}

static int nm_tiocmset(struct tty_struct *tty, unsigned int set, unsigned int clear)
{
	change_out(end_of(tty), set & OUTPUTS, clear & OUTPUTS);
	return 0;
}

static int nm_get_icount(struct tty_struct *tty, struct serial_icounter_struct *to)
{
	const struct async_icount *from = &end_of(tty)->count;

	to->cts = from->cts;
	to->dsr = from->dsr;
	to->rng = from->rng;
	to->dcd = from->dcd;
	to->rx = from->rx;
	to->frame = from->frame;
	to->overrun = from->overrun;
	to->parity = from->parity;
	to->brk = from->brk;
	return 0;
}

/* As uart_get_lsr_info() does: whether what the hardware has taken was sent, too. */
static int nm_ioctl(struct tty_struct *tty, unsigned int command, unsigned long argument)
{
	if (command != TIOCSERGETLSR)
		return -ENOIOCTLCMD;
	return put_user(kfifo_is_empty(&end_of(tty)->unsent) ? TIOCSER_TEMT : 0u,
			(unsigned int __user *)argument);
}

/* termios(3): speed 0 lowers DTR, and any other raises it again. */
static void nm_set_termios(struct tty_struct *tty, const struct ktermios *old)
{
	if (!C_BAUD(tty))
		dtr_rts(tty->port, 0);
	else if (old && !(old->c_cflag & CBAUD))
		dtr_rts(tty->port, 1);
}

static const struct tty_operations operations = {
	.open = nm_open,
	.close = nm_close,
	.hangup = nm_hangup,
	.write = nm_write,
	.write_room = nm_write_room,
	.chars_in_buffer = nm_chars_in_buffer,
	.wait_until_sent = nm_wait_until_sent,
	.flush_buffer = nm_flush_buffer,
	.throttle = nm_throttle,
	.unthrottle = nm_unthrottle,
	.break_ctl = nm_break_ctl,
	.tiocmget = nm_tiocmget,
	.tiocmset = nm_tiocmset,
	.get_icount = nm_get_icount,
	.ioctl = nm_ioctl,
	.set_termios = nm_set_termios,
};

static void destroy_ports(void)
{
	int index;

	for (index = 0; index < ARRAY_SIZE(ends); index++) {
		cancel_delayed_work_sync(&ends[index].transmitter);
		tty_port_destroy(&ends[index].port);
	}
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
		INIT_KFIFO(ends[index].unsent);
		INIT_DELAYED_WORK(&ends[index].transmitter, transmit);
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
