//! Watch: a live board on a terminal, one line a happening anywhere else.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use proto::v1::query_client::QueryClient;
use proto::v1::{ListRequest, StatusRequest, WatchRequest};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use schemas::Observable;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use super::{query, show};
use crate::args::Watch;
use crate::board::{Board, Update, view};
use crate::connection;
use crate::failure::{Failure, Outcome};
use crate::output::Printer;

const DRAW_EVERY: Duration = Duration::from_millis(250);
const ASK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const KEY_WAIT: Duration = Duration::from_millis(100);
/// Most claims asked for: more than any screen has lines.
const CLAIMS_MAX: i32 = 500;
const UPDATES_MAX: usize = 1_024;

pub(crate) async fn watch(arguments: Watch, printer: &Printer) -> Outcome {
    if printer.json() || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return query::watch(arguments, printer).await;
    }
    let client = connection::query(&arguments.connection).await?;
    let observable = arguments.observable.unwrap_or_default();
    let only = if observable.is_empty() {
        None
    } else {
        let parsed = observable.parse::<Observable>();
        Some(parsed.map_err(|error| Failure::Error(error.to_string()))?)
    };
    let (sender, updates) = mpsc::channel(UPDATES_MAX);
    let tasks = [
        tokio::spawn(ask(client.clone(), only, sender.clone())),
        tokio::spawn(follow(client, observable, sender)),
    ];
    let outcome = live(updates).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    outcome
}

/// The terminal while the board has it; given back however this ends.
struct Screen(ratatui::DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Screen> {
        ratatui::try_init().map(Screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows what comes until somebody has seen enough.
async fn live(mut updates: mpsc::Receiver<Update>) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut screen = Screen::open()?;
    let mut keys = keys();
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let mut board = Board::default();
    loop {
        tokio::select! {
            _ = draw.tick() => {
                screen.0.draw(|frame| view::draw(frame, &board, show::now()))?;
            }
            Some(update) = updates.recv() => board.apply(update, show::now()),
            _ = keys.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        }
    }
}

/// Is closed when a key says that it is enough, or when there is no keyboard any more.
fn keys() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        while !sender.is_closed() {
            match next_event() {
                Ok(Some(event)) if ends(&event) => return,
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    receiver
}

fn next_event() -> io::Result<Option<Event>> {
    if event::poll(KEY_WAIT)? { event::read().map(Some) } else { Ok(None) }
}

fn ends(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let named = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    key.kind != KeyEventKind::Release && (named || control && key.code == KeyCode::Char('c'))
}

/// Asks for the status and the claims, again and again.
async fn ask(
    mut client: QueryClient<Channel>,
    only: Option<Observable>,
    sender: mpsc::Sender<Update>,
) {
    let mut every = tokio::time::interval(ASK_EVERY);
    loop {
        every.tick().await;
        let asked = async {
            let status = client.status(StatusRequest {}).await?.into_inner();
            let request = ListRequest { limit: CLAIMS_MAX, ..ListRequest::default() };
            let mut list = client.list(request).await?.into_inner();
            if let Some(only) = &only {
                list.claims.retain(|claim| overlaps(&claim.observable, only));
                list.total = i64::try_from(list.claims.len()).unwrap_or(i64::MAX);
            }
            Ok::<_, tonic::Status>([Update::Status(status), Update::Claims(list)])
        };
        let updates = match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Ok(Ok(updates)) => Vec::from(updates),
            Ok(Err(status)) => vec![Update::Lost(Failure::from_status(&status).to_string())],
            Err(_) => vec![Update::Lost("the decider does not answer".to_owned())],
        };
        for update in updates {
            if sender.send(update).await.is_err() {
                return;
            }
        }
    }
}

/// Follows what happens; begins again when the decider ends the stream.
async fn follow(
    mut client: QueryClient<Channel>,
    observable: String,
    sender: mpsc::Sender<Update>,
) {
    loop {
        let request = WatchRequest { observable: observable.clone() };
        if let Ok(stream) = client.watch(request).await {
            let mut happenings = stream.into_inner();
            while let Ok(Some(happening)) = happenings.message().await {
                if sender.send(Update::Happening(happening)).await.is_err() {
                    return;
                }
            }
        }
        // Whether the decider is gone is said by whoever asks for its status.
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

fn overlaps(observable: &str, only: &Observable) -> bool {
    let network = only.network();
    observable.parse::<Observable>().is_ok_and(|other| {
        let other = other.network();
        other.contains(&network) || network.contains(&other)
    })
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;

    #[test]
    fn q_escape_and_control_c_end_the_board_and_nothing_else_does() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        for (event, expected) in [
            (key(KeyCode::Char('q'), KeyModifiers::NONE), true),
            (key(KeyCode::Esc, KeyModifiers::NONE), true),
            (key(KeyCode::Char('c'), KeyModifiers::CONTROL), true),
            (key(KeyCode::Char('c'), KeyModifiers::NONE), false),
            (key(KeyCode::Enter, KeyModifiers::NONE), false),
            (Event::Resize(80, 24), false),
        ] {
            assert_eq!(ends(&event), expected, "{event:?}");
        }
    }
}
