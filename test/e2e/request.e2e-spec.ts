// One file: what the suites of request/ load is loaded once.
import './request/connections.suite.js';
import './request/endings.suite.js';
import './request/handed-over.suite.js';
import './request/kinds.suite.js';
import './request/nothing-in-the-way.suite.js';
import './request/order.suite.js';
import './request/other-interceptors.suite.js';
import './request/refused.suite.js';
import './request/stored-first.suite.js';
import './request/the-same-without.suite.js';
