"""stories.py: what customers write, and how a helpdesk AI tags it. Data for generate.py.

A story is a kind of ticket: how its tag is spelt by different people, how bad it starts, and what
the customer says when the ticket opens, while it drags on, and when it is solved. The words in
braces are filled in by generate.py.
"""

STORIES = [
    {
        "tag": "billing_issue", "driver": "billing", "severity": 2, "churn": 0.35, "effort": 0.45,
        "reason": "price", "weight": 13,
        "spellings": ["Billing Issue", "billing-issue", "billing_issue", "BILLING ISSUE", "billing  issue"],
        "open": [
            "We were charged twice for invoice {invoice}, once on Monday and again this morning.",
            "Invoice {invoice} lists {seats} seats. We have never had that many.",
            "Our card was billed {amount} although we downgraded {days} days ago.",
            "Can someone explain the line 'usage adjustment' of {amount} on our last bill?",
            "The VAT number on {invoice} is wrong again, so our accountant will not accept it.",
        ],
        "middle": [
            "I sent the bank statement twice already. Why do you ask for it again?",
            "Finance is holding back every payment to you until {invoice} is corrected.",
            "You promised a corrected invoice by Friday. It is {days} days later.",
            "Now the credit note has the wrong amount as well.",
        ],
        "end": [
            "The {amount} arrived in our account today, thank you.",
            "The corrected invoice looks right, we can close this.",
            "Credit note received. Please make sure it does not happen next month.",
            "{person} sorted it out in one call, much appreciated.",
        ],
    },
    {
        "tag": "refund_request", "driver": "billing", "severity": 2, "churn": 0.5, "effort": 0.5,
        "reason": "price", "weight": 7,
        "spellings": ["Refund Request", "refund-request", "refund", "Refund request"],
        "open": [
            "We cancelled before the renewal and were charged {amount} anyway. Please refund it.",
            "The add-on never worked for us. I would like the {amount} back.",
            "I bought {seats} extra seats by mistake about an hour ago, can this be undone?",
            "Nobody here has logged in since {days} days before the renewal. We want our money back.",
        ],
        "middle": [
            "Your terms say fourteen days. We are well inside that.",
            "I do not want a voucher, I want the {amount} on our card.",
            "Third person asking me for the reason of the refund.",
            "If this is not settled by the end of the week I will dispute the charge with the bank.",
        ],
        "end": [
            "Refund is through. That was quicker than I feared.",
            "Thanks for meeting us halfway on this.",
            "Received. We may be back when the team has grown.",
        ],
    },
    {
        "tag": "price_increase", "driver": "pricing", "severity": 1, "churn": 0.7, "effort": 0.3,
        "reason": "price", "weight": 6,
        "spellings": ["Price Increase", "pricing", "price-increase", "Renewal price", "renewal_price"],
        "open": [
            "The renewal quote went up by a third and nothing in our usage has changed.",
            "We were told the {plan} price was fixed for two years. The quote says otherwise.",
            "With {seats} seats the new price is simply not in our budget.",
            "Two other vendors quote less than half of this for the same thing.",
        ],
        "middle": [
            "The discount you offer expires before our board even meets.",
            "I need a number I can defend, not a link to the pricing page.",
            "We have started a trial elsewhere, to be open with you.",
            "Our contract ends in {days} days and I still have no written quote.",
        ],
        "end": [
            "The revised quote works for us, please send the paperwork.",
            "Annual prepayment with the old price is fine. Signed.",
            "We will stay on the smaller plan for a year and look again.",
        ],
    },
    {
        "tag": "login_problem", "driver": "access", "severity": 2, "churn": 0.25, "effort": 0.55,
        "reason": "reliability", "weight": 10,
        "spellings": ["Login Problem", "login-problem", "login_problem", "cant log in", "Cant-Log-In"],
        "open": [
            "Since this morning nobody in our office can sign in.",
            "The reset mail never arrives, I have tried four times.",
            "My account says it is locked, and the unlock link has expired.",
            "{person} left the company and was the only admin. How do we get back in?",
            "The code from the authenticator app is refused every time.",
        ],
        "middle": [
            "Clearing the cache did nothing, as I wrote in my first message.",
            "It works in a private window, but not for the {seats} people who need it.",
            "We are locked out of our own reports on the last day of the quarter.",
            "Still the same error, now also on the phone.",
        ],
        "end": [
            "I am in again, thanks!",
            "The new admin account works. Please document this somewhere.",
            "Everyone can sign in since about noon.",
            "Turned out to be our proxy, sorry for the noise and thanks for the patience.",
        ],
    },
    {
        "tag": "sso_setup", "driver": "access", "severity": 3, "churn": 0.15, "effort": 0.6,
        "reason": "missing_feature", "weight": 5,
        "spellings": ["SSO Setup", "sso", "sso-setup", "SAML", "single sign on"],
        "open": [
            "We follow the guide for single sign-on to the letter and end on a blank page.",
            "Which attribute do you expect for groups? The guide names two different ones.",
            "After the certificate change, SSO sends everyone in circles.",
            "Is SSO included in {plan}? Sales said yes, the settings page says no.",
        ],
        "middle": [
            "We uploaded the metadata three times, the page still shows the old certificate.",
            "Our security team will not let {seats} people use passwords for much longer.",
            "The trace you asked for is attached. Again.",
        ],
        "end": [
            "Works now. The missing piece was the audience field.",
            "All {seats} users moved over without a hitch.",
            "Thanks to {person}, who stayed on the line until it worked.",
        ],
    },
    {
        "tag": "outage", "driver": "reliability", "severity": 0, "churn": 0.55, "effort": 0.6,
        "reason": "reliability", "weight": 8,
        "spellings": ["Outage", "outage", "service-down", "Service Down", "downtime"],
        "open": [
            "Everything is down and your status page says all is green.",
            "Our {feature} has been showing an error page for an hour.",
            "Third interruption this month. What is going on over there?",
            "We are in the middle of a customer presentation and nothing loads.",
            "The API answers 503 to every second call since {days} days.",
        ],
        "middle": [
            "I have forty people sitting idle. When will it be back?",
            "Your update at noon said 'soon'. It is evening.",
            "My manager asks for a written explanation and I have nothing to give her.",
            "We lost the numbers of a whole morning.",
        ],
        "end": [
            "Back to normal since this morning, fingers crossed.",
            "Thank you for the honest report on what went wrong.",
            "The service credit is noted. Please invest it in stability.",
        ],
    },
    {
        "tag": "slow_dashboard", "driver": "reliability", "severity": 2, "churn": 0.3, "effort": 0.5,
        "reason": "reliability", "weight": 9,
        "spellings": ["Slow Dashboard", "slow-dashboard", "performance", "Performance issue", "slow_loading"],
        "open": [
            "The {feature} takes almost a minute to open since the last release.",
            "Filtering by region makes the browser tab freeze.",
            "Monday mornings it is so slow that people go back to spreadsheets.",
            "With more than {seats} rows the table stops scrolling.",
        ],
        "middle": [
            "It is slow on three different networks, so no, it is not our line.",
            "I recorded a video. Count the seconds with me.",
            "One of us reloads the page, all the others get a coffee.",
            "The workaround of splitting the report doubles our work.",
        ],
        "end": [
            "Huge difference since yesterday, whatever you did.",
            "Two seconds now. That we can live with.",
            "The new index helped, I can use the {feature} again.",
        ],
    },
    {
        "tag": "sync_broken", "driver": "integrations", "severity": 1, "churn": 0.4, "effort": 0.65,
        "reason": "reliability", "weight": 9,
        "spellings": ["Sync Broken", "sync-broken", "integration_error", "Integration Error", "crm sync"],
        "open": [
            "Contacts changed in the CRM do not show up on your side any more.",
            "The nightly sync reports success and copies nothing.",
            "Since {days} days each deal appears twice after the sync.",
            "The connector asks me to log in every single morning.",
        ],
        "middle": [
            "Sales calls people who already said no, because the field is out of date.",
            "You say it is their side, they say it is yours. I am in the middle.",
            "We now export and import by hand, two hours a day.",
            "The retry button only makes more duplicates.",
        ],
        "end": [
            "All {seats} records line up again.",
            "The duplicates are gone and the sync has held for {days} days.",
            "Good fix. An alert next time would be even better.",
        ],
    },
    {
        "tag": "export_failed", "driver": "data", "severity": 2, "churn": 0.2, "effort": 0.5,
        "reason": "reliability", "weight": 6,
        "spellings": ["Export Failed", "export-failed", "csv export", "CSV-Export", "export error"],
        "open": [
            "The export of {feature} stops at exactly ten thousand rows.",
            "Umlauts come out as question marks in the downloaded file.",
            "The download link in the mail is dead before I can click it.",
            "Our auditors need the data of last year and the export just spins.",
        ],
        "middle": [
            "The second file is different from the first. Which one is right?",
            "Splitting by month gives me gaps on the last day of each one.",
            "The deadline is in {days} days, I cannot wait for the next release.",
        ],
        "end": [
            "The file is complete now, thanks for producing it by hand.",
            "Works with the new format.",
            "Got it, the auditors are happy and so am I.",
        ],
    },
    {
        "tag": "missing_feature", "driver": "product_gap", "severity": 3, "churn": 0.3, "effort": 0.25,
        "reason": "missing_feature", "weight": 8,
        "spellings": ["Missing Feature", "feature-request", "feature_request", "Feature Request"],
        "open": [
            "Is there a way to schedule the {feature} for weekends only?",
            "We need an approval step before anything is published.",
            "Could you let us rename the columns? Our people use other words.",
            "Please tell me that roles per workspace are coming.",
        ],
        "middle": [
            "It has been 'on the roadmap' since we signed.",
            "Without it we have to keep the old tool for {seats} people.",
            "The workaround breaks whenever someone adds a user.",
        ],
        "end": [
            "I saw it in the release notes, brilliant!",
            "The beta does what we need. Where do I sign up the other teams?",
            "Understood that it takes time, thanks for the straight answer.",
        ],
    },
    {
        "tag": "confusing_ui", "driver": "usability", "severity": 3, "churn": 0.15, "effort": 0.7,
        "reason": "usability", "weight": 6,
        "spellings": ["Confusing UI", "ux", "usability", "confusing-ui"],
        "open": [
            "Where did the button to share the {feature} go?",
            "New colleagues need a week to find their way around.",
            "I changed one filter and it changed for the whole team.",
            "The word 'segment' means three things on the same page.",
        ],
        "middle": [
            "I have read the article. It shows a screen that I do not have.",
            "Undo would have saved me an afternoon.",
            "We wrote our own {days}-page guide for what should be obvious.",
        ],
        "end": [
            "The short video was exactly what I needed.",
            "Ah, under the three dots. Thank you.",
            "The new layout is clearer, people have stopped asking me.",
        ],
    },
    {
        "tag": "slow_response", "driver": "support_quality", "severity": 1, "churn": 0.45, "effort": 0.8,
        "reason": "support", "weight": 6,
        "spellings": ["Slow Response", "slow-response", "no reply", "No_Reply", "support quality"],
        "open": [
            "I have been waiting {days} days for a first answer.",
            "Your bot closed my ticket. It was not solved.",
            "Every reply starts from zero, does nobody read the history?",
            "We pay for {plan} support and get the same queue as everyone else.",
        ],
        "middle": [
            "This is the fifth person I explain it to.",
            "The chat said two minutes. That was at nine.",
            "Please do not send me the article again.",
        ],
        "end": [
            "{person} took over and fixed it within the hour.",
            "Apology accepted. Keep {person} on our account, please.",
            "The direct number helps a lot.",
        ],
    },
    {
        "tag": "cancellation", "driver": "retention", "severity": 1, "churn": 0.9, "effort": 0.4,
        "reason": "competitor", "weight": 5,
        "spellings": ["Cancellation", "cancel", "cancel-account", "wants to leave", "Wants-to-Leave"],
        "open": [
            "Please cancel our {plan} plan at the end of the term.",
            "We have decided to move to another product. How do we get our data out?",
            "The project has ended, so we no longer need {seats} seats.",
            "I cannot find where to cancel. I take it that is on purpose.",
        ],
        "middle": [
            "A discount does not change that people stopped using it.",
            "No more calls, please. Just confirm the date.",
            "The other tool does in one step what takes us five here.",
        ],
        "end": [
            "Fair enough, we will give the new {feature} one more quarter.",
            "Confirmation received. It was a good few years.",
            "{person} showed us what we had missed, so we stay for now.",
        ],
    },
    {
        "tag": "mobile_crash", "driver": "reliability", "severity": 2, "churn": 0.2, "effort": 0.4,
        "reason": "reliability", "weight": 5,
        "spellings": ["Mobile Crash", "app-crash", "mobile_crash", "App crash"],
        "open": [
            "The app closes as soon as I open the {feature}.",
            "After the update my phone logs me out every few minutes.",
            "Notifications arrive hours late, or all at once at night.",
            "Our field team cannot upload pictures from the app.",
        ],
        "middle": [
            "Reinstalled, restarted, new phone. Same crash.",
            "{seats} technicians write on paper again because of this.",
            "The log you wanted is attached, it crashed while I recorded it.",
        ],
        "end": [
            "The version from this morning has not crashed once.",
            "Uploads work again, even with a bad connection.",
            "Fixed for me, thank you.",
        ],
    },
]

# Tags that come along with any story. The last two have no mapping.
SIDE_TAGS = [
    ("urgent", "Urgent", "URGENT"),
    ("vip", "VIP", "vip customer", "VIP-Customer"),
    ("repeat contact", "repeat-contact", "Repeat_Contact"),
    ("gdpr request", "GDPR-Request", "gdpr_request"),
    ("dark mode", "Dark-Mode"),
]

# Said on top of the rest now and then.
ASIDES = {
    "bad": [
        "This is getting ridiculous.", "I am running out of patience.", "We expected better from you.",
        "Please treat this as urgent.", "It is the second time this quarter.",
        "My whole team is watching this ticket.", "Honestly, I am tired of writing this.",
    ],
    "neutral": [
        "Thanks for looking into it.", "Let me know what else you need.", "No rush, but please keep me posted.",
        "I will be in the office until five.", "Copying {person}, who knows the details.",
    ],
    "good": [
        "Great support, really.", "Have a nice weekend!", "I wish every vendor answered like this.",
        "We would not mind trying it with more teams.", "You just saved my week.",
    ],
}

FEATURES = ["weekly report", "team dashboard", "customer timeline", "forecast view", "shared inbox",
            "survey builder", "account overview", "audit log"]
PEOPLE = ["Amira", "Jonas", "Priya", "Tomasz", "Lucía", "Wen", "Ewa", "Daniel", "Noor", "Björn", "Chloé", "Sam"]
PLANS = ["Starter", "Growth", "Scale", "Enterprise"]

COMPANY_FIRST = ["Alder", "Blue Heron", "Cobalt", "Driftwood", "Elm & Oak", "Fjord", "Granite", "Harbour",
                 "Iris", "Juniper", "Kestrel", "Lantern", "Meridian", "Nettle", "Orchard", "Pinewood",
                 "Quarry", "Ridgeline", "Saffron", "Tideway"]
COMPANY_LAST = ["Logistics", "Foods", "Clinics", "Media", "Insurance", "Robotics", "Travel", "Textiles"]
OWNERS = ["m.okafor", "s.lindqvist", "r.delgado", "k.tanaka", "h.moreau", "j.novak"]
REGIONS = ["emea", "amer", "apac"]
