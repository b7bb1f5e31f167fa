//! The desk's word about the archive.

use formats::id::AgencyCode;

use super::Desk;
use crate::archive::{self, ArchiveSummary, ArchiveView};
use crate::fault::DeskError;

impl Desk {
    /// What the archive holds of an agency.
    pub async fn archive(&self, agency: &AgencyCode) -> Result<ArchiveView, DeskError> {
        self.0.serves(agency)?;
        archive::view(&self.0, agency).await
    }

    /// What the archive holds.
    pub async fn archive_summary(&self) -> Result<ArchiveSummary, DeskError> {
        archive::summary(&self.0).await
    }

    /// Looks at once for what is to be archived or renewed.
    pub fn archive_now(&self) {
        if let Some(archive) = &self.0.archive {
            archive.wake.notify_one();
        }
    }
}
