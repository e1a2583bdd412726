//! Which columns of which tables the outputs of a view need: `pg_depend` knows what a view reads, not
//! what for. A column that only feeds `updated_at` need not be watched; one that a condition compares
//! must be, whatever it is called.
//!
//! Promise: what is said not to be needed is not. In doubt a column is needed, and a tree that is not
//! understood is `None`.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Node, Value};

/// A column of a relation by its number; 0 is the whole row, negative numbers are the system's.
pub(super) type Column = (u32, i64);

/// What a view needs.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) columns: BTreeSet<Column>,
    /// Tables that are read at one place only, where each of their rows is a row of the view by itself:
    /// nothing is joined, grouped or asked for.
    pub(super) alone: BTreeSet<u32>,
}

/// Follows a view through the others.
///
/// `views` are the queries of all of them; `wanted` are the numbers of the columns that count.
pub(super) fn needs(
    views: &BTreeMap<u32, Node<'_>>,
    view: u32,
    wanted: BTreeSet<i64>,
) -> Option<Needs> {
    let mut walk = Walk {
        views,
        needs: BTreeSet::new(),
        places: BTreeMap::new(),
        done: BTreeSet::new(),
        scopes: Vec::new(),
    };
    walk.view(view, wanted, true)?;
    let alone = walk.places.iter().filter(|(_, places)| places.len() == 1);
    let alone = alone.filter(|(_, places)| places.values().all(|alone| *alone));
    Some(Needs {
        alone: alone.map(|(relation, _)| *relation).collect(),
        columns: walk.needs,
    })
}

struct Walk<'w> {
    views: &'w BTreeMap<u32, Node<'w>>,
    needs: BTreeSet<Column>,
    /// Where each table is read (the address of its entry), and whether alone.
    places: BTreeMap<u32, BTreeMap<usize, bool>>,
    /// Views with what was wanted of them.
    done: BTreeSet<(u32, BTreeSet<i64>, bool)>,
    /// The queries around the expression, the innermost last.
    scopes: Vec<Scope<'w>>,
}

struct Scope<'w> {
    table: Vec<&'w Node<'w>>,
    /// For each entry the columns that were asked for.
    demand: Vec<BTreeSet<i64>>,
}

/// Which outputs of a query count.
enum Wanted {
    All,
    These(BTreeSet<i64>),
}

impl<'w> Walk<'w> {
    fn view(&mut self, view: u32, wanted: BTreeSet<i64>, alone: bool) -> Option<()> {
        if !self.done.insert((view, wanted.clone(), alone)) {
            return Some(());
        }
        let query = self.views.get(&view)?;
        let around = std::mem::take(&mut self.scopes);
        let wanted = if wanted.contains(&0) {
            Wanted::All
        } else {
            Wanted::These(wanted)
        };
        self.query(query, &wanted, Some(view), alone)?;
        self.scopes = around;
        Some(())
    }

    /// `of` is the view whose rule this is: its own entries (OLD, NEW) are not read.
    fn query(
        &mut self,
        query: &'w Node<'w>,
        wanted: &Wanted,
        of: Option<u32>,
        alone: bool,
    ) -> Option<()> {
        let table = query.nodes("rtable")?;
        let demand = vec![BTreeSet::new(); table.len()];
        self.scopes.push(Scope { table, demand });
        let is_union = is_union(query)?;
        let everything = Wanted::All;
        let wanted = match is_union {
            // INTERSECT and EXCEPT compare all columns.
            Some(false) => &everything,
            Some(true) | None => wanted,
        };
        for entry in query.nodes("targetList")? {
            if counts(entry, wanted)? {
                self.values(entry)?;
            }
        }
        for value in query.values_but(&["rtable", "targetList", "cteList", "setOperations"]) {
            self.value(value, self.top()?)?;
        }
        for cte in query.nodes("cteList")? {
            let Some(Value::Node(inner)) = cte.field("ctequery") else {
                return None;
            };
            self.query(inner, &Wanted::All, None, false)?;
        }
        let read: Vec<usize> = self.read(of)?;
        let one = read.len() == 1 || is_union == Some(true);
        let alone = alone && one && PLAIN.iter().all(|field| query.is_empty(field));
        self.sources(&read, is_union.is_some().then_some(wanted), alone)?;
        self.scopes.pop();
        Some(())
    }

    /// The entries of the innermost query that are read by themselves.
    fn read(&self, of: Option<u32>) -> Option<Vec<usize>> {
        let mut read = Vec::new();
        for (at, entry) in self.scopes.last()?.table.iter().enumerate() {
            let is_own = of.is_some() && relation(entry) == of;
            if !is_own && entry.number("rtekind")? != JOIN {
                read.push(at);
            }
        }
        Some(read)
    }

    /// Follows the entries, until nothing more is asked of any: one beside another may ask for more.
    fn sources(&mut self, read: &[usize], union: Option<&Wanted>, alone: bool) -> Option<()> {
        loop {
            let before = self.scopes.last()?.demand.clone();
            for at in read {
                self.source(*at, union, alone)?;
            }
            if self.scopes.last()?.demand == before {
                return Some(());
            }
        }
    }

    fn source(&mut self, at: usize, union: Option<&Wanted>, alone: bool) -> Option<()> {
        let scope = self.scopes.last()?;
        let entry: &'w Node<'w> = scope.table.get(at)?;
        let mut demand = scope.demand.get(at)?.clone();
        match entry.number("rtekind")? {
            RELATION => {
                let relation = relation(entry)?;
                if self.views.contains_key(&relation) {
                    return self.view(relation, demand, alone);
                }
                let place = std::ptr::from_ref(entry).addr();
                self.places
                    .entry(relation)
                    .or_default()
                    .insert(place, alone);
                self.needs
                    .extend(demand.into_iter().map(|number| (relation, number)));
                self.values(entry)
            }
            SUBQUERY => {
                let Some(Value::Node(inner)) = entry.field("subquery") else {
                    return None;
                };
                let wanted = match union {
                    Some(Wanted::All) => Wanted::All,
                    Some(Wanted::These(wanted)) => {
                        demand.extend(wanted);
                        Wanted::These(demand)
                    }
                    None if demand.contains(&0) => Wanted::All,
                    None => Wanted::These(demand),
                };
                self.query(inner, &wanted, None, alone)
            }
            // Functions, VALUES, a CTE (followed already), what later versions have.
            _ => self.values(entry),
        }
    }

    /// Everything in a node of the innermost query.
    fn values(&mut self, node: &'w Node<'w>) -> Option<()> {
        let level = self.top()?;
        node.values_but(&[])
            .try_for_each(|value| self.value(value, level))
    }

    /// An expression of the query at `level`.
    fn value(&mut self, value: &'w Value<'w>, level: usize) -> Option<()> {
        match value {
            Value::Atom(_) => Some(()),
            Value::List(values) => values.iter().try_for_each(|value| self.value(value, level)),
            Value::Node(node) => match node.tag {
                "VAR" => self.variable(node, level),
                "QUERY" if level == self.top()? => self.query(node, &Wanted::All, None, false),
                "QUERY" => None,
                _ => node
                    .values_but(&[])
                    .try_for_each(|value| self.value(value, level)),
            },
        }
    }

    fn variable(&mut self, node: &'w Node<'w>, level: usize) -> Option<()> {
        let up = usize::try_from(node.number("varlevelsup")?).ok()?;
        let level = level.checked_sub(up)?;
        let at = usize::try_from(node.number("varno")?)
            .ok()?
            .checked_sub(1)?;
        let number = node.number("varattno")?;
        let scope = self.scopes.get_mut(level)?;
        let entry: &'w Node<'w> = scope.table.get(at)?;
        if entry.number("rtekind")? != JOIN {
            scope.demand.get_mut(at)?.insert(number);
            return Some(());
        }
        let Some(Value::List(columns)) = entry.field("joinaliasvars") else {
            return None;
        };
        match usize::try_from(number).ok()?.checked_sub(1) {
            Some(at) => self.value(columns.get(at)?, level),
            None => columns
                .iter()
                .try_for_each(|column| self.value(column, level)),
        }
    }

    fn top(&self) -> Option<usize> {
        self.scopes.len().checked_sub(1)
    }
}

/// Whether an entry of a target list counts: because it is wanted, or because rows are sorted, grouped
/// or told apart by it.
fn counts(entry: &Node<'_>, wanted: &Wanted) -> Option<bool> {
    let number = entry.number("resno")?;
    let sorts = entry.number("ressortgroupref")? != 0 || entry.atom("resjunk")? != "false";
    Some(match wanted {
        Wanted::All => true,
        Wanted::These(wanted) => sorts || wanted.contains(&number),
    })
}

/// `Some(true)` for UNIONs alone, `None` where no sets are combined.
fn is_union(query: &Node<'_>) -> Option<Option<bool>> {
    fn only_unions(value: &Value<'_>) -> Option<bool> {
        match value {
            Value::Node(node) if node.tag == "SETOPERATIONSTMT" => {
                let sides = only_unions(node.field("larg")?)? && only_unions(node.field("rarg")?)?;
                Some(sides && node.number("op")? == UNION)
            }
            Value::Node(_) => Some(true),
            Value::List(_) | Value::Atom(_) => None,
        }
    }
    let sets = query.field("setOperations")?;
    if query.is_empty("setOperations") {
        return Some(None);
    }
    only_unions(sets).map(Some)
}

fn relation(entry: &Node<'_>) -> Option<u32> {
    u32::try_from(entry.number("relid")?).ok()
}

// parsenodes.h: RTEKind, SetOperation.
const RELATION: i64 = 0;
const SUBQUERY: i64 = 1;
const JOIN: i64 = 2;
const UNION: i64 = 1;

/// What may make one row of a query out of several of its source.
const PLAIN: [&str; 9] = [
    "hasAggs",
    "hasWindowFuncs",
    "hasSubLinks",
    "groupClause",
    "groupingSets",
    "distinctClause",
    "limitOffset",
    "limitCount",
    "cteList",
];
