//! The board on a screen: pure drawing of [`Board`] at a time, on whatever terminal ratatui is given.

use proto::v1::ClaimState;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table};

use super::{Board, KINDS, Sight};
use crate::commands::show::time_of_day;
use crate::duration;
use crate::output::safe;

/// A view of the leases older than this is worth a colour.
const STALE_MS: i64 = 5_000;
const PROBLEMS_MAX: usize = 4;

const GOOD: Style = Style::new().fg(Color::Green);
const WARNING: Style = Style::new().fg(Color::Yellow);
const BAD: Style = Style::new().fg(Color::Red);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, board: &Board, now: i64) {
    let problems = problems(board);
    let height = u16::try_from(problems.len()).unwrap_or(0);
    let [head, alarm, upper, lower] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(height),
        Constraint::Percentage(55),
        Constraint::Fill(1),
    ])
    .areas(frame.area());
    let [leases, right] =
        Layout::horizontal([Constraint::Percentage(64), Constraint::Fill(1)]).areas(upper);
    let points = board.status.as_ref().map_or(0, |status| status.points.len());
    let points_height =
        u16::try_from(points).unwrap_or(0).saturating_add(3).min(right.height / 2 + 1);
    let [points, visitors] =
        Layout::vertical([Constraint::Length(points_height), Constraint::Fill(1)]).areas(right);
    frame.render_widget(Paragraph::new(header(board, now)), head);
    frame.render_widget(Paragraph::new(problems), alarm);
    draw_leases(frame, leases, board, now);
    draw_points(frame, points, board);
    draw_visitors(frame, visitors, board);
    draw_decisions(frame, lower, board);
}

fn header(board: &Board, now: i64) -> Vec<Line<'static>> {
    let mut first = vec![Span::styled("Perimeter  ", Style::new().add_modifier(Modifier::BOLD))];
    match &board.status {
        None => first.push(Span::styled("asking the decider …", FAINT)),
        Some(status) => {
            let mode = if status.mode == "enforced" { GOOD } else { WARNING };
            first.push(Span::styled(safe(&status.mode), mode));
            first.push(Span::raw(" · "));
            first.push(if status.frozen {
                let since = time_of_day(status.frozen_since);
                Span::styled(format!("automation frozen since {since}"), WARNING)
            } else {
                Span::raw("automation acts")
            });
            let lag = if status.view_age_ms > STALE_MS { BAD } else { Style::new() };
            first.push(Span::raw(format!(" · {} in force · ", status.claims_in_force)));
            first.push(Span::styled(format!("{} ms behind the log", status.view_age_ms), lag));
        }
    }
    let rates = KINDS.map(|kind| format!("{kind}s {:.1}/s", board.rate(kind, now)));
    let second =
        vec![Span::raw(rates.join("  →  ")), Span::styled("    q, Esc or Ctrl-C ends this", FAINT)];
    vec![Line::from(first), Line::from(second)]
}

fn problems(board: &Board) -> Vec<Line<'static>> {
    let lost = board.lost.iter().map(|why| format!("what you see is old: {why}"));
    let told = board.status.iter().flat_map(|status| status.problems.iter().cloned());
    let lines = lost.chain(told).take(PROBLEMS_MAX);
    lines.map(|text| Line::styled(format!("‼ {}", safe(&text)), BAD)).collect()
}

fn draw_leases(frame: &mut Frame<'_>, area: Rect, board: &Board, now: i64) {
    let rows = board.active(now).take(usize::from(area.height)).map(|claim| {
        let style = match (claim.in_force, claim.action.as_str()) {
            (false, _) => FAINT,
            (true, "block") => BAD,
            (true, "allow") => GOOD,
            (true, _) => Style::new(),
        };
        let standing = if claim.in_force { levels(claim) } else { claim.standing.clone() };
        Row::new([
            safe(&claim.observable),
            claim.action.clone(),
            claim.origin.clone(),
            duration::show(claim.until - now),
            claim.strikes.to_string(),
            safe(&standing),
        ])
        .style(style)
    });
    let widths = [
        Constraint::Length(20),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Fill(1),
    ];
    let head =
        Row::new(["observable", "action", "origin", "left", "strikes", "proved"]).style(FAINT);
    let title = format!(" In force, the next to end first ({} in all) ", board.claims_total);
    frame.render_widget(Table::new(rows, widths).header(head).block(panel(title)), area);
}

/// Where a claim stands: `envoy 3, aws-waf 2`; a point that has proved nothing shows what it said.
fn levels(claim: &ClaimState) -> String {
    let words = claim.points.iter().map(|point| {
        let bad = !point.effect.is_empty() && point.effect != "effective";
        let what = match (bad, point.level) {
            (true, _) => point.effect.clone(),
            (false, 0) => point.status.clone(),
            (false, level) => level.to_string(),
        };
        format!("{} {what}", point.point).trim_end().to_owned()
    });
    words.collect::<Vec<_>>().join(", ")
}

fn draw_points(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let points = board.status.iter().flat_map(|status| &status.points);
    let rows = points.map(|point| {
        let style = if point.failed > 0 { BAD } else { Style::new() };
        let figures = [point.applied, point.proved, point.failed].map(|figure| figure.to_string());
        let [applied, proved, failed] = figures;
        Row::new([safe(&point.point), applied, proved, failed]).style(style)
    });
    let widths =
        [Constraint::Fill(1), Constraint::Length(8), Constraint::Length(8), Constraint::Length(7)];
    let head = Row::new(["point", "applied", "proved", "failed"]).style(FAINT);
    frame.render_widget(
        Table::new(rows, widths).header(head).block(panel(" Points ".to_owned())),
        area,
    );
}

fn draw_visitors(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let count = |sight| board.seen.get(&sight).copied().unwrap_or(0);
    let (refused, let_in) = (count(Sight::Refused), count(Sight::LetIn));
    let (through, too_long) = (count(Sight::GotThrough), count(Sight::StillRefused));
    let mut lines = vec![
        Line::raw(format!("refused {refused} · let in again {let_in}")),
        Line::raw(format!("got through {through} · refused too long {too_long}")),
    ];
    lines.extend(board.sights.iter().take(usize::from(area.height)).map(|(sight, happening)| {
        let (word, style) = match sight {
            Sight::Refused => ("is refused", GOOD),
            Sight::LetIn => ("is let in again", GOOD),
            Sight::GotThrough => ("got through although blocked", BAD),
            Sight::StillRefused => ("is refused although it is over", BAD),
        };
        Line::from(vec![
            Span::styled(format!("{} ", time_of_day(happening.at)), FAINT),
            Span::raw(format!("{} ", safe(&happening.observable))),
            Span::styled(word, style),
        ])
    }));
    let block = panel(" What visitors saw, since this began ".to_owned());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_decisions(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let lines: Vec<Line<'_>> = board
        .decisions
        .iter()
        .take(usize::from(area.height))
        .map(|happening| {
            Line::from(vec![
                Span::styled(format!("{} ", time_of_day(happening.at)), FAINT),
                Span::raw(format!("{:<20} ", safe(&happening.observable))),
                Span::raw(safe(&happening.text)),
            ])
        })
        .collect();
    let block = panel(" Last decisions, and why ".to_owned());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn panel(title: String) -> Block<'static> {
    Block::new().borders(Borders::ALL).border_style(FAINT).title(title)
}

#[cfg(test)]
mod tests {
    use proto::v1::{Happening, ListReply, PointState, PointSummary, StatusReply};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::board::Update;

    /// The screen's lines.
    fn screen(board: &Board, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, board, 10_000)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |row| (0..width).map(|column| buffer[(column, row)].symbol()).collect();
        (0..height).map(line).collect()
    }

    #[track_caller]
    fn shows(lines: &[String], words: &[&str]) {
        let found = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in\n{}", lines.join("\n"));
    }

    fn board() -> Board {
        let happening = |kind: &str, text: &str| {
            Update::Happening(Happening {
                at: 9_000,
                kind: kind.to_owned(),
                observable: "81.2.69.142".to_owned(),
                text: text.to_owned(),
                ..Happening::default()
            })
        };
        let point = PointState { point: "envoy".to_owned(), level: 3, ..PointState::default() };
        let claim = ClaimState {
            observable: "81.2.69.142".to_owned(),
            action: "block".to_owned(),
            origin: "pipeline".to_owned(),
            until: 25_000,
            strikes: 2,
            in_force: true,
            points: vec![point],
            ..ClaimState::default()
        };
        let summary =
            PointSummary { point: "aws-waf".to_owned(), applied: 7, ..PointSummary::default() };
        let status = StatusReply {
            mode: "enforced".to_owned(),
            claims_in_force: 1,
            points: vec![summary],
            problems: vec!["Kafka is away\u{1b}[2J".to_owned()],
            view_age_ms: 120,
            ..StatusReply::default()
        };
        let mut board = Board::default();
        for update in [
            Update::Status(status),
            Update::Claims(ListReply { claims: vec![claim], total: 1 }),
            happening("decision", "block 81.2.69.142 for 15 s: SQL injection, strike 2"),
            happening("outcome", "apply envoy level 3 effective after 640 ms"),
        ] {
            board.apply(update, 9_500);
        }
        board
    }

    #[test]
    fn everything_has_its_place_and_control_characters_are_shown_not_obeyed() {
        let lines = screen(&board(), 120, 30);
        shows(&lines, &["enforced", "automation acts", "1 in force", "120 ms behind the log"]);
        shows(&lines, &["decisions 0.1/s", "outcomes 0.1/s"]);
        shows(&lines, &["‼ Kafka is away\u{FFFD}[2J"]);
        shows(&lines, &["81.2.69.142", "block", "pipeline", "15s", "2", "envoy 3"]);
        shows(&lines, &["aws-waf", "7"]);
        shows(&lines, &["refused 1", "let in again 0"]);
        shows(&lines, &["got through 0", "refused too long 0"]);
        shows(&lines, &["81.2.69.142 is refused"]);
        shows(&lines, &["00:00:09.000", "SQL injection, strike 2"]);
    }

    #[test]
    fn any_screen_is_large_enough_to_draw_on() {
        for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 24), (300, 100)] {
            screen(&board(), width, height);
            screen(&Board::default(), width, height);
        }
    }

    #[test]
    fn a_decider_that_is_gone_is_told() {
        let mut board = board();
        board.apply(Update::Lost("connection refused".to_owned()), 9_900);
        shows(&screen(&board, 100, 24), &["what you see is old: connection refused"]);
    }
}
