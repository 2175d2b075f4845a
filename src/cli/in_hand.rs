//! How far it is with what is in hand: on a terminal one line that is drawn anew, elsewhere a line for each change. Pure but for the
//! width of the terminal.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Puts the cursor back to the beginning of the line and clears it.
const AGAIN: &str = "\r\u{1b}[K";

#[derive(Debug)]
pub(super) struct InHand {
    /// Of the terminal; `None`: there is none.
    width: Option<usize>,
    said: Vec<String>,
    /// On a terminal: what stands there now.
    line: String,
}

impl InHand {
    pub(super) fn on(stream: &(impl AsFd + IsTerminal)) -> Self {
        let columns = || tcgetwinsize(stream).map_or(0, |size| size.ws_col);
        let width = stream.is_terminal().then(|| match columns() {
            0 => 80,
            columns => usize::from(columns),
        });
        Self::of_width(width)
    }

    pub(super) fn of_width(width: Option<usize>) -> Self {
        Self { width, said: Vec::new(), line: String::new() }
    }

    /// What is to be printed now that this is in hand, with how much of it is done in per cent.
    pub(super) fn news(&mut self, items: &[(String, Option<u64>)]) -> String {
        let Some(width) = self.width else {
            // Each tenth is enough for whoever reads it afterwards.
            let lines = items.iter().map(|(what, percent)| told(what, percent.map(|p| p / 10 * 10)));
            let new: Vec<String> = lines.filter(|line| !self.said.contains(line)).collect();
            self.said.extend_from_slice(&new);
            return new.into_iter().map(|line| format!("in hand: {line}\n")).collect();
        };
        if items.is_empty() {
            return self.over();
        }
        let items: Vec<String> = items.iter().map(|(what, percent)| told(what, *percent)).collect();
        // A line that does not fit would go on in the next one, which nobody clears.
        let line: String =
            format!("in hand: {}", items.join(", ")).chars().take(width.saturating_sub(1)).collect();
        if line == self.line {
            return String::new();
        }
        self.line = line;
        format!("{AGAIN}{}", self.line)
    }

    /// Takes the line away.
    pub(super) fn over(&mut self) -> String {
        if std::mem::take(&mut self.line).is_empty() { String::new() } else { AGAIN.to_owned() }
    }
}

/// `restoring, 12 %`
pub(super) fn told(what: &str, percent: Option<u64>) -> String {
    percent.map_or_else(|| what.to_owned(), |percent| format!("{what}, {percent} %"))
}

#[cfg(test)]
mod tests {
    use super::InHand;

    fn item(percent: Option<u64>) -> [(String, Option<u64>); 1] {
        [("restoring".to_owned(), percent)]
    }

    #[test]
    fn on_a_terminal_one_line_is_drawn_anew_where_it_has_changed_and_taken_away_at_the_end() {
        let mut in_hand = InHand::of_width(Some(25));
        for (percent, printed) in [
            (None, "\r\u{1b}[Kin hand: restoring"),
            (Some(7), "\r\u{1b}[Kin hand: restoring, 7 %"),
            (Some(7), ""),
            (Some(100), "\r\u{1b}[Kin hand: restoring, 100 "),
        ] {
            assert_eq!(in_hand.news(&item(percent)), printed, "{percent:?}");
        }
        assert_eq!(in_hand.news(&[]), "\r\u{1b}[K");
        assert_eq!((in_hand.news(&[]), in_hand.over()), (String::new(), String::new()));
    }

    #[test]
    fn elsewhere_each_change_is_a_line_and_nothing_is_drawn_anew() {
        let mut in_hand = InHand::of_width(None);
        let mut printed = String::new();
        for percent in [None, None, Some(3), Some(9), Some(41), Some(49), Some(100)] {
            printed.push_str(&in_hand.news(&item(percent)));
        }
        printed.push_str(&in_hand.over());
        assert_eq!(
            printed,
            "in hand: restoring\nin hand: restoring, 0 %\nin hand: restoring, 40 %\nin hand: restoring, 100 %\n"
        );
    }
}
