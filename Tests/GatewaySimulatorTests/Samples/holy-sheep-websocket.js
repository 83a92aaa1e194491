// holy-sheep-websocket.js
const WebSocket = require('ws');

class HolySheepWebSocket {
  constructor(apiKey) {
    this.apiKey = apiKey;
    this.baseUrl = process.env.GATEWAY_URL;
    this.ws = null;
  }

  connect(model = 'gpt-4.1') {
    // HolySheep AI WebSocket 엔드포인트
    this.ws = new WebSocket(`${this.baseUrl}?model=${model}`, {
      headers: {
        'Authorization': `Bearer ${this.apiKey}`,
        'Content-Type': 'application/json'
      }
    });

    this.ws.on('open', () => {
      console.log('✅ HolySheep AI WebSocket 연결 성공');
    });

    this.ws.on('message', (data) => {
      const message = JSON.parse(data);
      this.handleStreamMessage(message);
    });

    this.ws.on('error', (error) => {
      console.error('❌ WebSocket 오류:', error.message);
    });

    this.ws.on('close', () => {
      console.log('🔌 WebSocket 연결 종료');
    });
  }

  handleStreamMessage(message) {
    // 스트리밍 응답 처리
    if (message.choices && message.choices[0].delta) {
      const content = message.choices[0].delta.content;
      if (content) {
        process.stdout.write(content); // 실시간 출력
      }
    }
  }

  sendMessage(messages) {
    // 스트리밍 메시지 전송
    const payload = {
      model: 'gpt-4.1',
      messages: messages,
      stream: true, // 스트리밍 모드 활성화
      max_tokens: 2048,
      temperature: 0.7
    };

    this.ws.send(JSON.stringify(payload));
  }

  close() {
    if (this.ws) {
      this.ws.close();
    }
  }
}

// 사용 예시
const client = new HolySheepWebSocket(process.env.GATEWAY_API_KEY);
client.connect();

const messages = [
  { role: 'system', content: '당신은 도움이 되는 AI 어시스턴트입니다.' },
  { role: 'user', content: 'WebSocket 스트리밍의 장점을 설명해주세요.' }
];

setTimeout(() => {
  client.sendMessage(messages);
}, 1000);

// 30초 후 자동 종료
setTimeout(() => {
  client.close();
  process.exit(0);
}, 30000);
