//! The simulated node held to what a real one answered: every scene of `conformance/scenes` played over TLS, every difference told.
//! `CONFORMANCE=word` plays only the scenes with the word in file or title.

mod arrange;
mod matching;
mod play;
mod suite;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use play::Mismatch;

#[test]
fn the_node_answers_as_recorded() {
    let wanted = std::env::var("CONFORMANCE").unwrap_or_default();
    let callers = suite::callers();
    let scenes: Vec<_> = suite::scenes()
        .into_iter()
        .filter(|one| one.file.contains(&wanted) || one.scene.contains(&wanted))
        .collect();
    let all = Mutex::new(BTreeMap::<usize, Vec<Mismatch>>::new());
    let next = Mutex::new(scenes.iter().enumerate());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some((index, scene)) = next.lock().unwrap().next() else { break };
                    let mismatches = play::play(scene, &callers);
                    all.lock().unwrap().insert(index, mismatches);
                }
            });
        }
    });
    let all: Vec<Mismatch> = all.into_inner().unwrap().into_values().flatten().collect();
    let mut scene = "";
    for mismatch in &all {
        if mismatch.scene != scene {
            scene = &mismatch.scene;
            println!("\n{scene}");
        }
        let difference = &mismatch.difference;
        println!(
            "  {}\n    at {}",
            mismatch.step,
            if difference.at.is_empty() { "body" } else { &difference.at }
        );
        println!("      expected {}\n      found    {}", difference.expected, difference.found);
    }
    assert!(all.is_empty(), "{} differences, listed above", all.len());
}

#[test]
fn every_applicable_point_is_shown_by_a_scene() {
    let scenes = suite::scenes();
    let points = suite::points();
    assert_eq!(points.points.keys().copied().collect::<Vec<_>>(), (1..=63).collect::<Vec<_>>());
    let recorded: BTreeSet<u32> = scenes.iter().flat_map(suite::Scene::recorded).collect();
    println!("{} scenes, {} recorded answers", scenes.len(), recorded.len());
    let mut open = Vec::new();
    for (number, line) in &points.points {
        let shown: Vec<&suite::Scene> = scenes.iter().filter(|scene| scene.points.contains(number)).collect();
        let answers: BTreeSet<u32> = shown.iter().flat_map(|scene| scene.recorded()).collect();
        let excuse = points.not_applicable.get(number);
        println!("{number:>3}  {:>2} scenes, {:>3} answers  {line}", shown.len(), answers.len());
        match (shown.is_empty(), excuse) {
            (true, None) => open.push(*number),
            (true, Some(why)) => println!("       no scene: {why}"),
            (false, None) => {}
            (false, Some(_)) => open.push(*number),
        }
    }
    assert!(open.is_empty(), "points without a scene, or with both a scene and an excuse: {open:?}");
    assert!(recorded.len() >= 150, "only {} recorded answers", recorded.len());
}
