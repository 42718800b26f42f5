// One file: what the suites of sample/ load is loaded once.
import './sample/analytics.suite.js';
import './sample/images.suite.js';
import './sample/mail.suite.js';
import './sample/main.suite.js';
import './sample/notifications.suite.js';
import './sample/operations.suite.js';
import './sample/process.suite.js';
import './sample/readme.suite.js';
import './sample/reports.suite.js';
import './sample/signup.suite.js';
import './sample/users.suite.js';
import './sample/webhooks.suite.js';
