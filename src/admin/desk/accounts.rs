//! Accounts: how they stand, entries made once and for all, statements. An account has the id of its tenant.
//! It must not know how a balance is reserved, only tell the meter what has changed.

use crate::access::directory::{Name, Record};
use crate::access::{AccountTerms, Tenant};
use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::{
    AccountDraft, AccountShown, AllowanceShown, EntryDraft, EntryKind, EntryShown,
};
use crate::gateway::{Books, subject_of};
use crate::ledger::Booked;
use crate::ledger::accounts::{
    self, Change, Cursor, EnterError, Entered, Entry, Kind, Refused, Request, Standing,
};
use crate::ledger::query::moment;
use crate::terms::Money;
use serde_json::json;

use super::{Asked, Desk, not_changed, read, store_failed};

impl Desk<'_> {
    pub(super) fn list_accounts(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let limit = asked.query.limit()?;
        self.catch_up();
        let directory = &self.accounting.directory;
        let mut after = asked.query.get("after").map(str::to_owned);
        let mut items = Vec::new();
        let mut next = None;
        loop {
            let tenants = directory.tenants(after.as_deref(), limit);
            let Some(last) = tenants.last() else { break };
            after = Some(last.record.id.clone());
            for tenant in &tenants {
                let record = &tenant.record;
                if !has_account(record) || !asked.reaches(&record.id) {
                    continue;
                }
                if items.len() == limit {
                    next = Some(record.id.clone());
                    break;
                }
                items.push(self.account_shown(record)?);
            }
            if next.is_some() || tenants.len() < limit {
                break;
            }
        }
        // The page ends with the last that is shown.
        let next = next.and(items.last().map(|last| last.tenant.clone()));
        reply::ok(&json!({ "items": items, "next": next }))
    }

    pub(super) fn open_account(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let draft: AccountDraft = read::body(asked.call.body)?;
        let books = self.books()?;
        let tenant = self.tenant(asked, &draft.tenant)?;
        if draft.credit.is_negative() {
            let message = format!("credit is {}; it cannot be negative", draft.credit);
            return Err(reply::invalid("credit", message));
        }
        if tenant.account.is_some() {
            let message = format!("tenant `{}` has an account already", tenant.id);
            return Err(reply::conflict("exists", message));
        }
        let tenant = self.agree(books, &tenant, draft.credit)?;
        self.opened(asked, books, &tenant)?;
        self.retuned(&Name::Tenant(tenant.id.clone()))?;
        self.audit(asked, "open", &format!("account `{}`", tenant.id));
        reply::created(&self.account_shown(&tenant)?)
    }

    pub(super) fn show_account(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let tenant = self.tenant(asked, asked.at(0))?;
        if !has_account(&tenant) {
            return Err(no_account(&tenant.id));
        }
        self.catch_up();
        reply::ok(&self.account_shown(&tenant)?)
    }

    pub(super) fn enter(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let draft: EntryDraft = read::body(asked.call.body)?;
        let key = idempotency_key(asked)?;
        let books = self.books()?;
        let mut tenant = self.tenant(asked, asked.at(0))?;
        let change = change(&draft)?;
        if let (EntryKind::Subscription, Some(plan)) = (draft.kind, &tenant.plan) {
            let message = format!(
                "tenant `{}` has the plan `{plan}` by its record; change it there",
                tenant.id
            );
            return Err(reply::conflict("plan_of_record", message));
        }
        if let (false, EntryKind::Deposit) = (has_account(&tenant), draft.kind) {
            // Money that is paid in is money to be drawn on.
            tenant = self.agree(books, &tenant, Money::ZERO)?;
        }
        if !has_account(&tenant) {
            return Err(no_account(&tenant.id));
        }
        if let Change::Credit { credit } = change {
            self.agree(books, &tenant, credit)?;
        }
        self.opened(asked, books, &tenant)?;
        let request = Request {
            account: tenant.id.clone(),
            change,
            note: draft.note,
            by: asked.pass.who.clone(),
            key,
        };
        let (entered, moved, is_new) = self.commit(books, &request)?;
        if is_new {
            self.tell_meter(&tenant.id, moved)?;
            let object = format!("account `{}`, entry {}", tenant.id, entered.entry.number);
            self.audit(asked, "enter", &object);
        }
        reply::created(&entry_shown(entered.entry, entered.balance))
    }

    pub(super) fn statement(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let tenant = self.tenant(asked, asked.at(0))?;
        let query = &asked.query;
        let (from, to) = (query.time("from")?, query.time("to")?);
        let after = query.parsed("after", Cursor::parse)?;
        let limit = query.limit()?;
        let Some(standing) = self.standing(&tenant.id)? else {
            return match has_account(&tenant) {
                true => reply::ok(&json!({ "items": [], "next": null })),
                false => Err(no_account(&tenant.id)),
            };
        };
        let account = asked
            .scope
            .see(&standing.account)
            .ok_or_else(|| no_account(&tenant.id))?;
        let store = &*self.books()?.store;
        let page = accounts::statement(store, &account, from, to, after, limit);
        let page = page.map_err(store_failed)?;
        let items = page
            .lines
            .into_iter()
            .map(|line| entry_shown(line.entry, line.balance));
        reply::ok(
            &json!({ "items": items.collect::<Vec<_>>(), "next": page.next.map(Cursor::text) }),
        )
    }

    /// The tenant of this id, if it may be seen.
    fn tenant(&self, asked: &Asked<'_>, id: &str) -> Result<Tenant, Refusal> {
        match self.accounting.directory.get(&Name::Tenant(id.to_owned())) {
            Some(Record::Tenant(tenant)) if asked.reaches(id) => Ok(*tenant),
            _ => Err(reply::unknown(
                "unknown",
                format!("there is no tenant `{id}`"),
            )),
        }
    }

    /// Writes into the tenant's record how far its account may go below zero.
    fn agree(&self, _: &Books, tenant: &Tenant, credit: Money) -> Result<Tenant, Refusal> {
        let name = Name::Tenant(tenant.id.clone());
        let edit = &mut |record: &mut Record| {
            if let Record::Tenant(tenant) = record {
                tenant.account = Some(AccountTerms { credit });
            }
            Ok(())
        };
        let edited = self
            .accounting
            .directory
            .edit(&name, &mut self.keep()?, edit);
        match edited.map_err(not_changed)? {
            Record::Tenant(tenant) => Ok(*tenant),
            Record::Project(_) | Record::User(_) | Record::Key(_) => Err(reply::internal()),
        }
    }

    /// Opens the account in the ledger, where it is not yet: the tenant may stand in the configuration.
    fn opened(&self, asked: &Asked<'_>, books: &Books, tenant: &Tenant) -> Result<(), Refusal> {
        if self.standing(&tenant.id)?.is_some() {
            return Ok(());
        }
        let credit = tenant.account.as_ref().map(|account| account.credit);
        let request = Request {
            account: tenant.id.clone(),
            change: Change::Open {
                tenant: tenant.id.clone(),
                credit: credit.unwrap_or_default(),
            },
            note: String::new(),
            by: asked.pass.who.clone(),
            key: None,
        };
        match self.commit(books, &request) {
            Ok(_) => Ok(()),
            // Somebody else was first.
            Err(_) if self.standing(&tenant.id)?.is_some() => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Has an entry made. Whether it is new: the same may have been asked before.
    fn commit(&self, books: &Books, request: &Request) -> Result<(Entered, Money, bool), Refusal> {
        let _one_at_a_time = books.entering.lock();
        let before = self.standing(&request.account)?;
        let before = before.map_or(0, |standing| standing.account.entries);
        let entered = futures::executor::block_on(books.ledger.enter(request.clone()));
        let Booked { entered, moved } = entered.map_err(not_entered)?;
        let is_new = entered.entry.number > before;
        Ok((entered, moved, is_new))
    }

    /// What is there to spend changes at once.
    fn tell_meter(&self, tenant: &str, amount: Money) -> Result<(), Refusal> {
        self.accounting.tell_meters(&[(tenant.to_owned(), amount)]);
        let name = Name::Tenant(tenant.to_owned());
        // Reads the balance of the store where it was not kept in mind yet, and the credit in any case.
        self.retuned(&name)
    }

    fn catch_up(&self) {
        if let Some(books) = &self.accounting.books {
            books.catch_up();
        }
    }

    fn standing(&self, id: &str) -> Result<Option<Standing>, Refusal> {
        let Some(books) = &self.accounting.books else {
            return Ok(None);
        };
        accounts::standing(&*books.store, id).map_err(store_failed)
    }

    fn account_shown(&self, tenant: &Tenant) -> Result<AccountShown, Refusal> {
        let standing = self.standing(&tenant.id)?;
        let name = Name::Tenant(tenant.id.clone());
        let meter = self.accounting.meters.find(&subject_of(&name));
        let live = meter.and_then(|meter| meter.balance());
        let credit = tenant
            .account
            .as_ref()
            .map(|account| account.credit)
            .unwrap_or_default();
        let written = standing.as_ref().map(Standing::balance).unwrap_or_default();
        let plan = self.accounting.plans.standing(&tenant.id, self.now);
        // What has been settled a moment ago is in the meter before it is in the store.
        let balance = live.map_or(written, |live| live.balance);
        Ok(AccountShown {
            tenant: tenant.id.clone(),
            balance,
            credit,
            debt: (-balance).max(Money::ZERO),
            payable: balance + credit,
            held: live.map(|live| live.held).unwrap_or_default(),
            entries: standing
                .as_ref()
                .map_or(0, |standing| standing.account.entries),
            plan: standing
                .and_then(|standing| standing.account.subscription)
                .map(|subscription| subscription.plan),
            allowance: plan.map(|plan| AllowanceShown {
                begins: moment::text(plan.begins),
                ends: plan.ends.map(moment::text),
                paid: plan.is_paid,
                included_tokens: plan.included_tokens,
                used_tokens: plan.used.tokens,
                included_money: plan.included_money,
                used_money: plan.used.money,
            }),
        })
    }
}

/// Who has a plan has an account.
fn has_account(tenant: &Tenant) -> bool {
    tenant.account.is_some() || tenant.plan.is_some()
}

fn no_account(tenant: &str) -> Refusal {
    let message = format!(
        "tenant `{tenant}` has no account; a deposit, or POST /admin/v1/accounts, opens one"
    );
    reply::unknown("no_account", message)
}

fn idempotency_key(asked: &Asked<'_>) -> Result<Option<String>, Refusal> {
    let text = asked
        .call
        .idempotency_key
        .map(|key| std::str::from_utf8(key).map(str::to_owned));
    text.transpose().map_err(|_| {
        reply::bad_parameter("Idempotency-Key", "the header `Idempotency-Key` is no text")
    })
}

fn change(draft: &EntryDraft) -> Result<Change, Refusal> {
    let amount = || {
        let missing = || {
            reply::invalid(
                "amount",
                "`amount` is missing; write a decimal number such as `2.50`",
            )
        };
        draft.amount.ok_or_else(missing)
    };
    Ok(match draft.kind {
        EntryKind::Deposit => Change::Deposit { amount: amount()? },
        EntryKind::Withdrawal => Change::Withdraw {
            amount: amount()?,
            forced: draft.forced,
        },
        EntryKind::Credit => {
            let credit = amount()?;
            if credit.is_negative() {
                let message = format!("credit is {credit}; it cannot be negative");
                return Err(reply::invalid("amount", message));
            }
            Change::Credit { credit }
        }
        EntryKind::Correction => Change::Correct { amount: amount()? },
        EntryKind::Subscription => Change::Subscribe {
            plan: draft.plan.clone(),
        },
    })
}

fn not_entered(error: EnterError) -> Refusal {
    let message = error.to_string();
    match error {
        EnterError::Store(error) => store_failed(error),
        EnterError::Unavailable(reason) => reply::unavailable(reason),
        EnterError::Refused(refused) => match refused {
            Refused::NoAccount(_) => reply::unknown("no_account", message),
            Refused::NoPlan(_) => reply::invalid("plan", message),
            Refused::Invalid(_) => reply::invalid("amount", message),
            Refused::AlreadyOpen(_) => reply::conflict("exists", message),
            Refused::Insufficient { .. } => reply::conflict("insufficient_balance", message),
            Refused::OutOfRange => reply::invalid("amount", message),
            Refused::KeyConflict(_) => reply::conflict("idempotency_conflict", message),
            Refused::TooManyKeys => reply::conflict("full", message),
        },
    }
}

fn entry_shown(entry: Entry, balance: Money) -> EntryShown {
    EntryShown {
        number: entry.number,
        at: moment::text(entry.at),
        kind: kind(entry.kind).to_owned(),
        amount: entry.amount,
        balance,
        credit: entry.credit,
        note: entry.note,
        by: entry.by,
        idempotency_key: entry.key,
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Opened => "opened",
        Kind::Deposit => "deposit",
        Kind::Withdrawal => "withdrawal",
        Kind::Credit => "credit",
        Kind::Correction => "correction",
        Kind::Charges => "charges",
        Kind::Subscription => "subscription",
        Kind::PlanPrice => "plan_price",
    }
}
