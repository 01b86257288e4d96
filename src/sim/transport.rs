//! The bytes below HTTP: a connection that a request handler can reset, close, cut into small writes or write raw bytes to.
//! It must not know what a request is.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

/// A connection as accepted.
pub enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How a connection ends.
#[derive(Debug)]
pub enum Ending {
    /// RST: the peer sees "connection reset".
    Reset,
    /// FIN: the peer sees a clean end.
    Close,
    /// These bytes, whatever HTTP would have said, then FIN.
    Send(Bytes),
}

/// How outgoing bytes are cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub write_bytes_max: usize,
    /// Time between writes; zero only lets other tasks run.
    pub pause: Duration,
}

/// The handler's end of a connection: what it orders happens once everything written before is flushed.
#[derive(Default)]
pub struct Switch {
    /// Which orders are waiting, so that a connection without any pays one load a write.
    waiting: AtomicU8,
    orders: Mutex<Orders>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Orders {
    ending: Option<Ending>,
    inject: Bytes,
    cut: Option<Cut>,
}

const SHAPE: u8 = 1;
const END: u8 = 2;
const KILL: u8 = 4;

impl Switch {
    /// Ends the connection after what was written so far; the HTTP layer above sees an error.
    pub fn end(&self, ending: Ending) {
        self.order(END, |orders| orders.ending = Some(ending));
    }

    /// Resets the connection at once, whatever is still to be written.
    pub fn kill(&self) {
        self.order(KILL, |orders| orders.ending = Some(Ending::Reset));
    }

    /// Writes raw bytes before whatever HTTP writes next.
    pub fn inject(&self, bytes: Bytes) {
        self.order(SHAPE, |orders| orders.inject = bytes);
    }

    /// Cuts everything written from now on; `None` writes normally again.
    pub fn cut(&self, cut: Option<Cut>) {
        if cut.is_some() || self.waiting.load(Ordering::Acquire) & SHAPE != 0 {
            self.order(SHAPE, |orders| orders.cut = cut);
        }
    }

    fn order(&self, flag: u8, change: impl FnOnce(&mut Orders)) {
        change(
            &mut self
                .orders
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        );
        self.waiting.fetch_or(flag, Ordering::AcqRel);
        self.waker.wake();
    }

    fn has(&self, flags: u8) -> bool {
        self.waiting.load(Ordering::Acquire) & flags != 0
    }

    fn take_ending(&self) -> Option<Ending> {
        self.orders
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .ending
            .take()
    }
}

/// What hyper reads and writes: a transport under a switch.
pub struct Switched {
    /// `None` once an ending has taken it away.
    transport: Option<Transport>,
    switch: Arc<Switch>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Set after a cut write without a pause, so that the next one is a task turn later.
    yield_first: bool,
}

impl Switched {
    pub fn new(transport: Transport, switch: Arc<Switch>) -> Self {
        Self {
            transport: Some(transport),
            switch,
            pause: None,
            yield_first: false,
        }
    }

    fn transport(&mut self) -> io::Result<Pin<&mut Transport>> {
        self.transport.as_mut().map(Pin::new).ok_or_else(ended)
    }

    fn end_if_ordered(&mut self, flags: u8) -> io::Result<()> {
        if !self.switch.has(flags) {
            return Ok(());
        }
        let (Some(ending), Some(transport)) = (self.switch.take_ending(), self.transport.take())
        else {
            return Ok(());
        };
        // Ending may take a moment (what the peer still sends is read away) and HTTP is done with the connection.
        tokio::spawn(finish(transport, ending));
        Err(ended())
    }

    /// Writes under orders: injected bytes first, then at most one cut of `bytes`.
    fn poll_write_shaped(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if std::mem::take(&mut self.yield_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (mut inject, cut) = {
            let mut orders = self
                .switch
                .orders
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            (std::mem::take(&mut orders.inject), orders.cut)
        };
        while inject.has_remaining() {
            match self.transport()?.poll_write(context, &inject) {
                Poll::Ready(written) => inject.advance(written?),
                Poll::Pending => {
                    self.switch
                        .orders
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner())
                        .inject = inject;
                    return Poll::Pending;
                }
            }
        }
        let Some(cut) = cut else {
            return self.transport()?.poll_write(context, bytes);
        };
        let written = ready!(
            self.transport()?
                .poll_write(context, &bytes[..bytes.len().min(cut.write_bytes_max)])
        )?;
        match cut.pause.is_zero() {
            true => self.yield_first = true,
            false => self.pause = Some(Box::pin(tokio::time::sleep(cut.pause))),
        }
        Poll::Ready(Ok(written))
    }
}

fn ended() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the simulated host ended this connection",
    )
}

/// How long and how much is read after a clean close, so that unread bytes do not turn the FIN into a RST.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES_MAX: u64 = 64 << 20;

async fn finish(mut transport: Transport, ending: Ending) {
    match ending {
        Ending::Reset => {
            // A socket that is gone already needs no reset.
            let _ = transport.tcp().set_zero_linger();
            return;
        }
        Ending::Close => {}
        Ending::Send(bytes) => {
            let _ = transport.write_all(&bytes).await;
        }
    }
    let _ = transport.shutdown().await;
    let drain = async {
        tokio::io::copy(
            &mut (&mut transport).take(DRAIN_BYTES_MAX),
            &mut tokio::io::sink(),
        )
        .await
    };
    let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
}

impl Transport {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Switched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Reading is what an idle connection always waits for, so this is where an order reaches its task.
        self.switch.waker.register(context.waker());
        self.end_if_ordered(KILL)?;
        self.transport()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Switched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.switch.has(SHAPE | KILL) {
            self.end_if_ordered(KILL)?;
            return self.poll_write_shaped(context, bytes);
        }
        self.transport()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.transport()?.poll_flush(context))?;
        Poll::Ready(self.end_if_ordered(END | KILL))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_shutdown(context)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
