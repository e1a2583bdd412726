//! Documents that are read back, and what makes one not met.

use super::*;

#[test]
fn what_is_written_is_read_back_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/report.json");
    let mut document = Document::new("a run");
    document.rows.push(RowFigure {
        name: "l2".to_owned(),
        target: "fast".to_owned(),
        measured: "faster".to_owned(),
        outcome: RowOutcome::Met,
        reason: None,
    });
    document.write(&path).unwrap();
    assert_eq!(Document::read(&path).unwrap(), document);
    document.title = "another".to_owned();
    document.write(&path).unwrap();
    assert_eq!(Document::read(&path).unwrap(), document);
    let around = fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(around.count(), 1, "nothing is left beside it");
    fs::write(&path, "{}").unwrap();
    let refused = Document::read(&path).unwrap_err();
    assert!(matches!(refused, DocumentError::Content { .. }));
}

#[test]
fn a_missed_or_failed_row_is_not_met_and_a_skipped_one_says_nothing() {
    for (outcome, is_met) in [
        (RowOutcome::Skipped, true),
        (RowOutcome::Missed, false),
        (RowOutcome::Failed, false),
    ] {
        let mut document = Document::new("a run");
        document.rows.push(RowFigure {
            name: "l2".to_owned(),
            target: String::new(),
            measured: String::new(),
            outcome,
            reason: None,
        });
        assert_eq!(document.is_met(), is_met);
    }
}
