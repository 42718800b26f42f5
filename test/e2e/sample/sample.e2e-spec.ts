// One file: what the sample loads is loaded once, not ten times.
import './analytics.suite.js';
import './images.suite.js';
import './mail.suite.js';
import './notifications.suite.js';
import './operations.suite.js';
import './process.suite.js';
import './reports.suite.js';
import './signup.suite.js';
import './users.suite.js';
import './webhooks.suite.js';
