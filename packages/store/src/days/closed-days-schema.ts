/** What is kept of days that are over, computed from their calls once instead of with each of them. */
export const closedDaysSchema = `
  -- A day of the reporting zone of which everything below stands in the file. Whatever changes a call that counts changes the
  -- row of its model and day, and so opens the day again, whichever program does it.
  CREATE TABLE closed_days (day INTEGER PRIMARY KEY) STRICT;
  CREATE TRIGGER open_day_of_insert AFTER INSERT ON rollup_models BEGIN DELETE FROM closed_days WHERE day = NEW.bucket; END;
  CREATE TRIGGER open_day_of_update AFTER UPDATE ON rollup_models BEGIN DELETE FROM closed_days WHERE day = NEW.bucket; END;
  CREATE TRIGGER open_day_of_delete AFTER DELETE ON rollup_models BEGIN DELETE FROM closed_days WHERE day = OLD.bucket; END;

  -- The users of a day, those without a name too: how many calls each made, by user_id; see counts.ts.
  CREATE TABLE day_users (day INTEGER PRIMARY KEY, requests BLOB NOT NULL) STRICT;
  CREATE TRIGGER open_day_users AFTER DELETE ON closed_days BEGIN DELETE FROM day_users WHERE day = OLD.day; END;
  `
