//! Walks a cursor-paged list page by page. Knows the shape of pages, not what is in them.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use wire::Page;

use crate::{Client, ClientError};

/// Largest page the server gives.
pub const PAGE_MAX: usize = 1_000;

/// A list that is read as far as it is wanted.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    path: Vec<String>,
    filters: Vec<(String, String)>,
    cursor: Option<String>,
    ended: bool,
    items: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(crate) fn new(client: &Client, path: &[&str], filters: Vec<(String, String)>) -> Self {
        let path = path.iter().map(ToString::to_string).collect();
        Self { client: client.clone(), path, filters, cursor: None, ended: false, items: PhantomData }
    }

    /// The next at most `limit` (1 to [`PAGE_MAX`]) items; `None` behind the last page.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Vec<T>>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let call = self.client.get(&path).pairs(&self.filters);
        let call = call.query("limit", Some(limit.clamp(1, PAGE_MAX))).query("cursor", self.cursor.as_deref());
        let page: Page<T> = self.client.read(call).await?;
        self.ended = page.next_cursor.is_none();
        self.cursor = page.next_cursor;
        Ok(Some(page.items))
    }

    /// At most `most` items in the list's order, as one page; its cursor says whether there are more.
    pub async fn take(mut self, most: usize) -> Result<Page<T>, ClientError> {
        let mut items = Vec::new();
        while items.len() < most {
            match self.next(most - items.len()).await? {
                Some(page) => items.extend(page),
                None => break,
            }
        }
        Ok(Page { items, next_cursor: self.cursor })
    }
}
